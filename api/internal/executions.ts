import { randomUUIDv7 } from 'node:crypto';
import { json, Router } from 'express';
import type { z } from 'zod';
import { runExecution } from '../../core/api/internal.ts';
import { isPlatformError, PlatformError, type ErrorCode } from '../../core/errors.ts';
import type { RunnerAnnouncement } from '../../core/execute.ts';
import { traceOf } from '../../core/trace-context.ts';
import type { Known } from '../../platform/db/call-facts.ts';
import type { HydratedInstall, HydrationStore } from '../../platform/db/hydration.ts';
import { answer } from '../answer.ts';
import type { Executor } from '../execution/executor.ts';
import { refusedToBegin, type WarmVersion } from '../execution/runner-client.ts';
import type { Runner, Runners } from '../execution/runners.ts';
import { requestIdOf } from '../request-id.ts';
import { inputOf } from '../request-input.ts';

type ExecutionBody = z.output<typeof runExecution.body>;
/** `error` if the guest did not get to answer. */
type ExecutionAnswer = z.output<(typeof runExecution.answers)[200]>;

/** A health endpoint has this long to answer. */
const PROBE_TIMEOUT_MS = 5_000;
/** What keeps one runner from loading a version, and not the next. */
const ELSEWHERE: readonly ErrorCode[] = ['RUNNER_UNAVAILABLE', 'RUNNER_BUSY', 'OUTCOME_UNKNOWN'];

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
    const allow: Allow = async () => {
      const asOf = performance.now();
      const fact = await deps.hydration.byInstall(body.tenantId, body.installId, body.versionId);
      if (fact?.versionStatus === 'quarantined') throw quarantined();
      if (fact && mayRun(fact, body)) return { fact, asOf };
      throw new PlatformError('NOT_FOUND', 'there is no such install, or it does not serve this version');
    };
    answer(res, runExecution, 200, await run(deps, allow, body, requestIdOf(res)));
  });
  return router;
}

type Allow = () => Promise<Known<HydratedInstall>>;

async function run(
  deps: InternalExecutionsDeps,
  allow: Allow,
  body: ExecutionBody,
  requestId: string,
): Promise<ExecutionAnswer> {
  const { trigger, http } = body;
  const allowed = await allow();
  if (trigger === 'warm') return warm(deps, allowed.fact);
  if (http) return execute(deps, { ...allowed, allow }, { ...body, http }, requestId);
  throw new PlatformError('INPUT_INVALID', 'the request has faults; see issues', {
    issues: [{ path: 'http', code: 'required', message: `is missing; a ${trigger} calls a handler` }],
  });
}

/** What is wrong with a version, and stays so however often it is tried. */
const OF_VERSION: readonly ErrorCode[] = ['ARTIFACT_INVALID', 'SIGNATURE_REVOKED'];

function quarantined(): PlatformError {
  return new PlatformError('SIGNATURE_REVOKED', 'the version is quarantined: it is not trusted any more');
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
    await warmOn(runners, { tenantId, contentHash, limits });
    return { status: 200, durationMs: performance.now() - started };
  } catch (err) {
    // What is wrong with the version is an answer; a runner that is away is an error the worker retries.
    const ofVersion = isPlatformError(err) && (OF_VERSION.includes(err.code) || err.kind === 'guest');
    if (!ofVersion) throw err;
    const { code, message, status } = err;
    return { status, error: { code, message }, durationMs: performance.now() - started };
  }
}

/** On the one that calls go to, or on the one they go to while that is away: a second time finds it loaded. */
async function warmOn(runners: Pick<Runners, 'pick'>, version: WarmVersion): Promise<void> {
  const { tenantId, contentHash } = version;
  const spent = new Set<Runner>();
  let failure: unknown = new PlatformError('RUNNER_UNAVAILABLE', 'no runner is known; try again');
  for (let runner = runners.pick(tenantId, contentHash); runner;) {
    const { client, announcements } = runner;
    const ask = async (announced: RunnerAnnouncement | Promise<RunnerAnnouncement>): Promise<void> =>
      client.warm(version, { sealEpoch: (await announced).seal_epoch });
    try {
      await ask(announcements.current()).catch((err: unknown) => {
        if (!refusedToBegin(err)) throw err;
        return ask(announcements.renewed());
      });
      return;
    } catch (err) {
      if (!isPlatformError(err) || !ELSEWHERE.includes(err.code)) throw err;
      runner.failedWith(err);
      failure = err;
      spent.add(runner);
      runner = runners.pick(tenantId, contentHash, spent);
    }
  }
  throw failure;
}

async function execute(
  { executor, maxTimeoutMs }: InternalExecutionsDeps,
  { fact: install, asOf, allow }: Known<HydratedInstall> & { allow: Allow },
  { trigger, http }: ExecutionBody & { http: { method: string; path: string } },
  requestId: string,
): Promise<ExecutionAnswer> {
  const [path = '/', query = ''] = http.path.split(/\?(.*)/s);
  const limit = trigger === 'probe' ? PROBE_TIMEOUT_MS : install.limits.timeoutMs;
  const executionId = randomUUIDv7();
  const result = await executor.run(install, {
    executionId,
    requestId,
    trace: traceOf({}, executionId),
    trigger,
    principal: 'worker',
    method: http.method,
    path,
    query,
    headers: {},
    body: Buffer.alloc(0),
    timeoutMs: Math.min(limit, maxTimeoutMs),
    retryable: false,
    allowedAsOf: asOf,
    allowAgain: allow,
  });
  if (result.ok) return { status: result.status, durationMs: result.durationMs };
  const error = { code: result.code, message: 'the extension did not answer' };
  return { status: 502, error, durationMs: result.durationMs };
}
