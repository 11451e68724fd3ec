import { randomUUIDv7 } from 'node:crypto';
import { json, Router } from 'express';
import type { z } from 'zod';
import { runExecution } from '../../core/api/internal.ts';
import { isPlatformError, PlatformError } from '../../core/errors.ts';
import type { RunnerAnnouncement } from '../../core/execute.ts';
import type { HydratedInstall, HydrationStore } from '../../platform/db/hydration.ts';
import { answer } from '../answer.ts';
import type { Executor } from '../execution/executor.ts';
import { refusedToBegin } from '../execution/runner-client.ts';
import type { Runners } from '../execution/runners.ts';
import { requestIdOf } from '../request-id.ts';
import { inputOf } from '../request-input.ts';

type ExecutionBody = z.output<typeof runExecution.body>;
/** `error` if the guest did not get to answer. */
type ExecutionAnswer = z.output<(typeof runExecution.answers)[200]>;

/** A health endpoint has this long to answer. */
const PROBE_TIMEOUT_MS = 5_000;

export interface InternalExecutionsDeps {
  hydration: Pick<HydrationStore, 'byInstall'>;
  executor: Pick<Executor, 'run'>;
  runners: Pick<Runners, 'pick'>;
  maxTimeoutMs: number;
}

/** `POST /executions`: a worker warms or probes a version, which may not serve yet, or delivers an event to one that does. */
export function createInternalExecutionsRouter(deps: InternalExecutionsDeps): Router {
  const router = Router();
  router.post('/', json({ limit: '64kb' }), async (req, res) => {
    const body = inputOf(runExecution.body, req.body);
    const install = await deps.hydration.byInstall(body.tenantId, body.installId, body.versionId);
    if (!install || !mayRun(install, body)) {
      throw new PlatformError('NOT_FOUND', 'there is no such install, or it does not serve this version');
    }
    answer(res, runExecution, 200, await run(deps, install, body, requestIdOf(res)));
  });
  return router;
}

function run(
  deps: InternalExecutionsDeps,
  install: HydratedInstall,
  body: ExecutionBody,
  requestId: string,
): Promise<ExecutionAnswer> {
  const { trigger, http } = body;
  if (trigger === 'warm') return warm(deps, install);
  if (http) return execute(deps, install, { ...body, http }, requestId);
  throw new PlatformError('INPUT_INVALID', 'the request has faults; see issues', {
    issues: [{ path: 'http', code: 'required', message: `is missing; a ${trigger} calls a handler` }],
  });
}

/** A revoked version runs for nobody; events and schedules reach only what serves. */
function mayRun(install: HydratedInstall, { trigger }: ExecutionBody): boolean {
  if (install.versionStatus === 'revoked') return false;
  if (trigger === 'probe' || trigger === 'warm') return true;
  return install.status === 'active' && install.isActiveVersion;
}

/** Loads and instantiates the version, which is also the probe of one without a health endpoint. */
async function warm(
  { runners }: InternalExecutionsDeps,
  { tenantId, contentHash, limits }: HydratedInstall,
): Promise<ExecutionAnswer> {
  const started = performance.now();
  try {
    const { client, announcements } = runners.pick(tenantId, contentHash);
    const ask = async (announced: RunnerAnnouncement | Promise<RunnerAnnouncement>): Promise<void> =>
      client.warm({ tenantId, contentHash, limits }, { sealEpoch: (await announced).seal_epoch });
    await ask(announcements.current()).catch((err: unknown) => {
      if (!refusedToBegin(err)) throw err;
      return ask(announcements.renewed());
    });
    return { status: 200, durationMs: performance.now() - started };
  } catch (err) {
    // What is wrong with the version is an answer; a runner that is away is an error the worker retries.
    const ofVersion = isPlatformError(err) && (err.code === 'ARTIFACT_INVALID' || err.kind === 'guest');
    if (!ofVersion) throw err;
    const { code, message, status } = err;
    return { status, error: { code, message }, durationMs: performance.now() - started };
  }
}

async function execute(
  { executor, maxTimeoutMs }: InternalExecutionsDeps,
  install: HydratedInstall,
  { trigger, http }: ExecutionBody & { http: { method: string; path: string } },
  requestId: string,
): Promise<ExecutionAnswer> {
  const [path = '/', query = ''] = http.path.split(/\?(.*)/s);
  const limit = trigger === 'probe' ? PROBE_TIMEOUT_MS : install.limits.timeoutMs;
  const result = await executor.run(install, {
    executionId: randomUUIDv7(),
    requestId,
    trigger,
    principal: 'worker',
    method: http.method,
    path,
    query,
    headers: {},
    body: Buffer.alloc(0),
    timeoutMs: Math.min(limit, maxTimeoutMs),
  });
  if (result.ok) return { status: result.status, durationMs: result.durationMs };
  const error = { code: result.code, message: 'the extension did not answer' };
  return { status: 502, error, durationMs: result.durationMs };
}
