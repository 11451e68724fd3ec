import { activityInfo } from '@temporalio/activity';
import { ApiError } from '../core/api/api-error.ts';
import { createApiClient } from '../core/api/client.ts';
import { runExecution } from '../core/api/internal.ts';
import type { RequestOf } from '../core/api/route.ts';
import { isErrorCode, isPlatformError, kindOf, PlatformError } from '../core/errors.ts';
import { tenantOfInstallWorkflow } from '../core/ids.ts';
import type { SecretValue } from '../core/secret-value.ts';
import { createFetchTransport } from '../platform/http/fetch-transport.ts';
import { withHeartbeat } from './heartbeat.ts';

/** The gateway gives a health endpoint five seconds; past these, it is the gateway that does not answer. */
const PROBE_DEADLINE_MS = 10_000;
/** Loading an artifact into a runner for the first time reads it from the object store and compiles it. */
const WARM_DEADLINE_MS = 60_000;

export interface RunnerDeps {
  gateway: { baseUrl: string; token: SecretValue };
}

export interface WarmVersionInput {
  /** Absent in histories of release 0.1.0. */
  tenantId?: string;
  installId: string;
  versionId: string;
}

export interface ProbeVersionInput extends WarmVersionInput {
  /** Path of the manifest's health endpoint, which is a GET. */
  health: string;
}

export type RunnerActivities = ReturnType<typeof createRunnerActivities>;

/** Executions of a version that may not serve yet. The gateway authorises them and speaks to a runner. */
export function createRunnerActivities({ gateway }: RunnerDeps) {
  /** Throws GATEWAY_UNAVAILABLE without an answer in time, what the gateway refused with, or what ended the guest. */
  async function execute(
    body: RequestOf<typeof runExecution>['body'],
    timeoutMs: number,
    cancelled: AbortSignal,
  ): Promise<{ status: number }> {
    const call = createApiClient(createFetchTransport({ ...gateway, timeoutMs }));
    const answer = await call(runExecution, { body }, { signal: cancelled }).catch((err: unknown) => {
      cancelled.throwIfAborted();
      throw refusalOf(err);
    });
    const { status, error } = answer.body;
    if (!error) return { status };
    throw isErrorCode(error.code)
      ? new PlatformError(error.code, error.message)
      : new PlatformError('GUEST_ERROR', error.message, { details: { code: error.code } });
  }

  return {
    /** Has a runner load and instantiate the version. A second time finds it loaded. */
    async warmVersion({
      tenantId = ownTenant(),
      installId,
      versionId,
    }: WarmVersionInput): Promise<{ attempts: number }> {
      await withHeartbeat((signal) =>
        execute({ tenantId, installId, versionId, trigger: 'warm' }, WARM_DEADLINE_MS, signal),
      );
      return { attempts: activityInfo().attempt };
    },

    /** Asks the version's health endpoint. A second time asks again: a health endpoint must bear that. */
    async probeVersion({
      tenantId = ownTenant(),
      installId,
      versionId,
      health,
    }: ProbeVersionInput): Promise<{ attempts: number }> {
      const failed = (how: string, cause?: unknown): PlatformError =>
        new PlatformError('HEALTH_CHECK_FAILED', `GET ${health} must answer 2xx within 5 s; it ${how}`, {
          cause,
        });
      try {
        const http = { method: 'GET', path: health };
        const { status } = await withHeartbeat((signal) =>
          execute({ tenantId, installId, versionId, trigger: 'probe', http }, PROBE_DEADLINE_MS, signal),
        );
        if (status < 200 || status > 299) throw failed(`answered ${status}`);
      } catch (err) {
        if (isPlatformError(err) && err.kind === 'guest' && err.code !== 'HEALTH_CHECK_FAILED') {
          throw failed(`ended with ${err.code}`, err);
        }
        throw err;
      }
      return { attempts: activityInfo().attempt };
    },
  };
}

function refusalOf(err: unknown): PlatformError {
  if (!(err instanceof ApiError)) {
    return new PlatformError('GATEWAY_UNAVAILABLE', 'the gateway did not answer', { cause: err });
  }
  const { status, code, message } = err;
  const ours = isErrorCode(code) && kindOf(code) !== 'unauthenticated' && kindOf(code) !== 'forbidden';
  if (ours) return new PlatformError(code, message);
  // Our own credential was refused: nothing the install could help, and an operator can put it right while we retry.
  return new PlatformError('GATEWAY_UNAVAILABLE', `the gateway answered the worker with ${status}`, {
    details: { status, code },
  });
}

/** The tenant whose install the activity's workflow changes: its id says so. */
function ownTenant(): string {
  const { workflowExecution } = activityInfo();
  const tenantId = workflowExecution && tenantOfInstallWorkflow(workflowExecution.workflowId);
  if (tenantId === undefined) throw new PlatformError('INTERNAL', 'no tenant was named');
  return tenantId;
}
