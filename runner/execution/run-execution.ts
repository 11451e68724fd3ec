import { isPlatformError, PlatformError } from '../../core/errors.ts';
import { isOutcomeCode, type OutcomeCode } from '../../core/execute-codes.ts';
import { START_WITHIN_MS, type ExecuteRequest } from '../../core/execute.ts';
import type { BoundedTurns } from '../../platform/bounded-turns.ts';
import type { BundleCache } from '../cache/bundle-cache.ts';
import type { CallContext, CapabilityDeps } from '../capabilities/capability.ts';
import { bindHost } from '../capabilities/index.ts';
import type { GuestRequest } from '../engine/engine.ts';
import { createStderrTail, exceptionText, type StderrTail } from '../errors/exception-text.ts';
import type { StackMapper } from '../errors/map-stack.ts';
import type { GuestLogs } from './guest-log.ts';
import { checkResponse, type CheckedResponse } from './guest-response.ts';
import { sharedInstanceOf } from './shared-instance.ts';
import type { SandboxOutcome } from '../sandbox/child-messages.ts';
import type { Place, SandboxPool } from '../sandbox/pool.ts';
import { groupOf, type Needs, type SandboxScope } from '../sandbox/tenant-processes.ts';
import type { Concurrency } from './concurrency.ts';
import type { SandboxJob } from '../sandbox/job.ts';
import { SandboxLostError, type LossReason } from '../sandbox/sandbox-lost.ts';

/**
 * A guest ends by itself at its deadline: what it computes is cut off at the next slice of fuel, what it waits for is aborted. One that has
 * not ended this much later holds its thread, and its process is killed.
 */
const STOP_GRACE_MS = 1_000;
const MIB = 1024 * 1024;

/** What a guest that was alone in its process can have done to it. */
const TRAPS: readonly LossReason[] = ['crashed', 'protocol', 'unresponsive'];

/** Made once: an exception costs what the rest of ending an execution does. */
const ENDED = new DOMException('the execution has ended', 'AbortError');

/** `name`: `interface.function` of the host world, which is of a fixed size; never what a sandbox made up. */
export type CountHostCall = (name: string, result: 'answered' | 'failed') => void;

export interface ExecutionDeps {
  pool: Pick<SandboxPool, 'place'>;
  concurrency: Concurrency;
  scope: SandboxScope;
  bundles: Pick<BundleCache, 'artifact'>;
  capabilities: CapabilityDeps;
  guestLogs: Pick<GuestLogs, 'open'>;
  /** Of exceptions, to the sources of the extension's author. */
  stacks: Pick<StackMapper, 'map'>;
  countHostCall: CountHostCall;
  /** Of the calls of each shared instance. */
  turns: Pick<BoundedTurns, 'run'>;
}

export interface ExecutionInput {
  request: ExecuteRequest;
  body: Uint8Array | undefined;
  executionToken: string;
}

/** What happened to the guest. `message` is for logs of ours, `exception` for who may debug the extension; neither for a client. */
export type ExecutionResult = Judged & CallContext['used'];

type Judged = { cpuMs: number; memoryBytes: number; fuel: number } & (
  | { ok: true; response: CheckedResponse }
  | { ok: false; code: OutcomeCode; message: string; exception?: string }
);

/**
 * Runs one execution in its tenant's sandbox, once; a second time in another process only if the first was lost before anything of
 * the execution had left it. Throws what speaks about the runner: CONCURRENCY_LIMITED, RUNNER_BUSY, RUNNER_DRAINING, INPUT_INVALID.
 */
export type RunExecution = (input: ExecutionInput) => Promise<ExecutionResult>;

export function createRunExecution(deps: ExecutionDeps): RunExecution {
  return async ({ request, body, executionToken }) => {
    const ended = new AbortController();
    const guestLog = deps.guestLogs.open(request);
    let stderr: StderrTail | undefined;
    const time = { endsAt: performance.now() + START_WITHIN_MS + request.limits.timeout_ms };
    const call = {
      request,
      executionToken,
      signal: ended.signal,
      timeLeftMs: () => time.endsAt - performance.now(),
      guestLog: guestLog.line,
      hostLog: guestLog.host,
      used: { egressBytes: 0 },
    };
    const { context, limits } = request;
    const host = bindHost(call, deps.capabilities);
    const sharedInstance = sharedInstanceOf(request);
    const job: SandboxJob = {
      contentHash: context.content_hash,
      request: guestRequest(request, body),
      responseBytes: limits.response_bytes,
      limits: {
        timeoutMs: limits.timeout_ms,
        memoryMb: limits.memory_mb,
        ...(limits.fuel !== undefined && { fuel: limits.fuel }),
      },
      constants: host.constants,
      takesTurns: true, // until its artifact says otherwise
      ...(sharedInstance !== undefined && { sharedInstance }),
      async onCall(interfaceName, functionName, args) {
        try {
          const reply = await host.call(interfaceName, functionName, args);
          deps.countHostCall(`${interfaceName}.${functionName}`, 'answered');
          return reply;
        } catch (err) {
          deps.countHostCall('', 'failed'); // its names may be of the sandbox's making
          throw err;
        }
      },
      onOutput(stream, bytes) {
        guestLog.output(stream, bytes);
        if (stream === 'stderr') (stderr ??= createStderrTail()).add(bytes);
      },
    };
    try {
      const outcome = await attempt(deps, request, job, { ended, time });
      const result = { ...judge(outcome, limits.response_bytes, guestLog.sandbox), ...call.used };
      if (result.ok || result.code !== 'GUEST_ERROR' || stderr === undefined) return result;
      // Runtimes write what they abort for, and only there.
      const map = (text: string): Promise<string> => deps.stacks.map(context.content_hash, text);
      const exception = await guestLog.exception(exceptionText(stderr.text()), map);
      return exception === undefined ? result : { ...result, exception };
    } catch (err) {
      if (!isPlatformError(err) || !isOutcomeCode(err.code) || err.code === 'INTERNAL') throw err;
      return { ...failed(err.code, err.message), ...call.used };
    } finally {
      ended.abort(ENDED);
      guestLog.end();
    }
  };
}

/**
 * Runs the job against its two deadlines. One that has not begun within START_WITHIN_MS is refused, since our own load is no guest's
 * fault; what it loads goes on loading, or a large component could never be loaded at all. A guest's own time is counted from when it
 * begins: at its end its host calls are aborted, and soon after its process is killed if it has not ended.
 */
async function attempt(
  deps: ExecutionDeps,
  { context, limits }: ExecuteRequest,
  job: SandboxJob,
  { ended, time }: { ended: AbortController; time: { endsAt: number } },
): Promise<SandboxOutcome> {
  const { signal } = ended;
  let before: PlatformError | undefined; // how the first try was lost
  let hasTurn = false; // beside what its tenant and install run
  // Whoever asked waits no longer than this, and neither does the token.
  const endBy = performance.now() + START_WITHIN_MS + limits.timeout_ms;
  const deadline = Promise.withResolvers<never>();
  const notStarted = (): PlatformError => {
    if (before) return before;
    return hasTurn
      ? new PlatformError('RUNNER_BUSY', `not started after ${START_WITHIN_MS} ms`)
      : new PlatformError('CONCURRENCY_LIMITED', `no turn after ${START_WITHIN_MS} ms`);
  };
  const startWithin = (): NodeJS.Timeout => {
    const giveUp = (): void => {
      deadline.reject(notStarted());
      ended.abort(ENDED);
    };
    return setTimeout(giveUp, Math.min(START_WITHIN_MS, endBy - performance.now()));
  };
  let timer = startWithin();

  const begin = ({ sandbox }: Place): Promise<SandboxOutcome> => {
    clearTimeout(timer);
    const kill = (): void => {
      sandbox.kill('timeout');
      deadline.reject(new PlatformError('GUEST_TIMEOUT', `still running after ${limits.timeout_ms} ms`));
    };
    const stop = (): void => {
      ended.abort(ENDED);
      timer = setTimeout(kill, STOP_GRACE_MS);
    };
    time.endsAt = Math.min(performance.now() + limits.timeout_ms, endBy);
    timer = setTimeout(stop, time.endsAt - performance.now());
    return sandbox.run(job);
  };
  const once = async (): Promise<SandboxOutcome> => {
    const artifact = await deps.bundles.artifact(context.content_hash);
    signal.throwIfAborted();
    job.takesTurns = artifact.isLinked;
    const place = await deps.pool.place(needsOf(deps.scope, context, job), signal);
    let wentWell = false;
    try {
      signal.throwIfAborted();
      await place.sandbox.load(artifact);
      signal.throwIfAborted();
      const outcome = await begin(place);
      wentWell = outcome.ok;
      return outcome;
    } finally {
      place.release(wentWell ? undefined : 'failed');
    }
  };
  const run = async (): Promise<SandboxOutcome> => {
    try {
      return await once();
    } catch (err) {
      if (!(err instanceof SandboxLostError)) throw err;
      if (signal.aborted || !err.unheard || err.blamed) throw lost(err);
      before = lost(err);
      clearTimeout(timer);
      timer = startWithin();
    }
    try {
      return await once();
    } catch (err) {
      throw err instanceof SandboxLostError ? lost(err) : err;
    }
  };
  const inTurn = (): Promise<SandboxOutcome> => {
    hasTurn = true;
    const { sharedInstance } = job;
    return sharedInstance === undefined ? run() : deps.turns.run(sharedInstance, signal, run);
  };
  const whose = { tenantId: context.tenant_id, installId: context.install_id };

  try {
    return await Promise.race([deps.concurrency.run(whose, signal, inTurn), deadline.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function needsOf(scope: SandboxScope, context: ExecuteRequest['context'], job: SandboxJob): Needs {
  const { contentHash, takesTurns, sharedInstance } = job;
  const { tenant_id: tenantId, install_id: installId, trigger } = context;
  const isTrial = trigger === 'probe' || trigger === 'warm';
  return {
    tenantId,
    contentHash,
    memoryBytes: job.limits.memoryMb * MIB,
    group: groupOf(scope, { installId, contentHash, takesTurns }),
    isTrial,
    isAside: isTrial || !takesTurns,
    sharedInstance,
  };
}

function lost(err: SandboxLostError): PlatformError {
  const { reason, blamed } = err;
  const ended = (code: OutcomeCode, how: string): PlatformError =>
    new PlatformError(code, `its sandbox process ${how}`, { cause: err });
  if (blamed && reason === 'memory') return ended('GUEST_OUT_OF_MEMORY', 'held too much memory');
  if (blamed && TRAPS.includes(reason)) return ended('GUEST_TRAPPED', `is gone: ${reason}`);
  return ended('SANDBOX_LOST', `was lost: ${reason}`);
}

/** Of a guest that was lost. */
const NOTHING_KNOWN = { cpuMs: 0, memoryBytes: 0, fuel: 0 };

function failed(code: OutcomeCode, message: string, used = NOTHING_KNOWN): Judged {
  return { ok: false, code, message, ...used };
}

function judge(
  outcome: SandboxOutcome,
  responseBytes: number,
  sandboxSays: (message: string) => void,
): Judged {
  const { cpuMs, memoryBytes, fuel } = outcome;
  const used = { cpuMs, memoryBytes, fuel };
  if (!outcome.ok) {
    // Its own words may hold what the guest knows: they go where the guest's go.
    sandboxSays(outcome.message);
    return failed(outcome.code, "as its sandbox says: see the guest's log", used);
  }
  const checked = checkResponse(outcome.response, responseBytes);
  if ('fault' in checked) return failed(checked.code, checked.fault, used);
  return { ok: true, response: checked, ...used };
}

function guestRequest({ context, http }: ExecuteRequest, body: Uint8Array | undefined): GuestRequest {
  const headers = Object.entries(http.headers).flatMap(([name, values]) =>
    [values].flat().map((value) => ({ name, value })),
  );
  return {
    context: {
      requestId: context.request_id,
      tenantId: context.tenant_id,
      extensionId: context.extension_id,
      installId: context.install_id,
      versionId: context.version_id,
    },
    http: {
      method: http.method,
      url: http.query === '' ? http.path : `${http.path}?${http.query.replace(/^\?/, '')}`,
      headers,
      ...(body !== undefined && { body }),
    },
  };
}
