import { setTimeout as delay } from 'node:timers/promises';
import { activityInfo } from '@temporalio/activity';
import { ApiError } from '../core/api/api-error.ts';
import { createApiClient } from '../core/api/client.ts';
import { runExecution } from '../core/api/internal.ts';
import type { RequestOf } from '../core/api/route.ts';
import { isErrorCode, isPlatformError, kindOf, PlatformError, type ErrorCode } from '../core/errors.ts';
import type { SecretValue } from '../core/secret-value.ts';
import { createFetchTransport } from '../platform/http/fetch-transport.ts';
import { withHeartbeat } from './heartbeat.ts';

/** A health endpoint has five seconds once it has begun, which may take as long; past these, it is the gateway that does not answer. */
const PROBE_DEADLINE_MS = 15_000;
/** Loading an artifact into a runner for the first time reads it from the object store and compiles it. */
const WARM_DEADLINE_MS = 60_000;
/** Before what may have been a disturbance is held to be the extension's own fault. */
const TRIES = 3;
const PAUSE_MS = 1_000;

export interface RunnerDeps {
  gateway: { baseUrl: string; token: SecretValue };
  /** Before the second try of what may have been a disturbance; twice that before the third. */
  pauseMs?: number;
}

export interface WarmVersionInput {
  tenantId: string;
  installId: string;
  /** Absent: the one that serves, as calls find it. */
  versionId?: string;
}

export interface ProbeVersionInput extends WarmVersionInput {
  /** Path of the manifest's health endpoint, which is a GET. */
  health: string;
}

export type RunnerExecutions = ReturnType<typeof createRunnerExecutions>;

/** Executions of a version that may not serve yet, for activities. The gateway authorises them and speaks to a runner. */
export function createRunnerExecutions({ gateway, pauseMs = PAUSE_MS }: RunnerDeps) {
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

  /**
   * Runs an execution again, a few times, that ended in a way which may have been a neighbour's doing or our own load. What it ends with
   * every time is the guest's verdict.
   */
  async function undisturbed<Result>(
    disturbances: readonly ErrorCode[],
    signal: AbortSignal,
    run: () => Promise<Result>,
  ): Promise<Result> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await run();
      } catch (err) {
        if (tries >= TRIES || !isPlatformError(err) || !disturbances.includes(err.code)) throw err;
        await delay(pauseMs * tries, undefined, { signal });
      }
    }
  }

  return {
    /** Has a runner load and instantiate the version. A second time finds it loaded. */
    async warmVersion({ tenantId, installId, versionId }: WarmVersionInput): Promise<{ attempts: number }> {
      const version = versionId !== undefined && { versionId };
      const warm = { tenantId, installId, ...version, trigger: 'warm' } as const;
      await withHeartbeat((signal) =>
        undisturbed(['GUEST_TIMEOUT', 'SANDBOX_LOST'], signal, () => execute(warm, WARM_DEADLINE_MS, signal)),
      );
      return { attempts: activityInfo().attempt };
    },

    /** Asks the version's health endpoint. A second time asks again: a health endpoint must bear that. */
    async probeVersion({
      tenantId,
      installId,
      versionId,
      health,
    }: ProbeVersionInput): Promise<{ attempts: number }> {
      const failed = (how: string, cause?: unknown): PlatformError =>
        new PlatformError('HEALTH_CHECK_FAILED', `GET ${health} must answer 2xx within 5 s; it ${how}`, {
          cause,
        });
      const http = { method: 'GET', path: health };
      const version = versionId !== undefined && { versionId };
      const probe = { tenantId, installId, ...version, trigger: 'probe', http } as const;
      try {
        const { status } = await withHeartbeat((signal) =>
          undisturbed(['GUEST_TIMEOUT', 'GUEST_TRAPPED', 'SANDBOX_LOST'], signal, () =>
            execute(probe, PROBE_DEADLINE_MS, signal),
          ),
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
