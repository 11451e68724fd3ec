import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { isErrorCode, isPlatformError, PlatformError, type ErrorCode } from '../../core/errors.ts';
import type { ExecuteRequest, ExecuteResponse, HeaderMap, RunnerAnnouncement } from '../../core/execute.ts';
import type { ExecutionEnd, ExecutionStore } from '../../platform/db/executions.ts';
import type { HydratedInstall } from '../../platform/db/hydration.ts';
import { createBoundedTurns, type BoundedTurns } from '../../platform/bounded-turns.ts';
import type { Logger } from '../../platform/logger.ts';
import { executeRequestOf, type ExecutionInput } from './execute-request.ts';
import type { ExecutionTokens } from './execution-tokens.ts';
import { createRetryBudget } from './retry-budget.ts';
import type { Proof, RunnerAnswer } from './runner-client.ts';
import type { Runner, Runners } from './runners.ts';
import { sendAgain } from './send-again.ts';

/** Of a refusal for too many at once: a client that does not heed Retry-After heeds this. */
const REFUSE_AFTER_MS = 250;
/** For a place: another version of an extension is loaded and probed within it, beside calls that need all of a small machine. */
const WAIT_MS = 2_000;
/** For each place so many wait. */
const WAITING = 8;
/** An execution begins with what allowed it no longer ago than this, or with what does now. */
export const ALLOWED_FOR_MS = 700;
/** What allowed an execution was so no longer ago than this when the runner is asked. */
const BEGIN_WITHIN_MS = 1_000;
/** Before each further try to write an end: a database that restarts is back within them. */
const RECORD_PAUSES_MS = [100, 400, 1_500, 5_000];

export interface ExecutorDeps {
  executions: Pick<ExecutionStore, 'begin' | 'end'>;
  runners: Pick<Runners, 'pick'>;
  executionTokens: Pick<ExecutionTokens, 'make'>;
  secretsKeyId: string;
  /** Executions of one tenant at once in this gateway; some more wait a moment. What is over costs neither a row nor a question to the runner. */
  tenantConcurrency: number;
  /** The same of one install, so that others of its tenant have places left. */
  installConcurrency: number;
  logger: Logger;
}

/** What became of a guest: an answer, or the code of what kept it from giving one. */
export type ExecutionResult =
  | { ok: true; status: number; headers: HeaderMap; body: Uint8Array; durationMs: number }
  | { ok: false; code: ErrorCode; durationMs: number };

export interface Executor {
  /**
   * Runs an authorised call at most once, unless its endpoint is `retryable`. The execution's row is written before a runner is asked; if
   * that fails, nothing runs. One that had not begun goes to another runner.
   * Throws what speaks about the runner: RUNNER_BUSY, RUNNER_UNAVAILABLE, CONCURRENCY_LIMITED, OUTCOME_UNKNOWN; and
   * GATEWAY_UNAVAILABLE once it drains.
   */
  run(install: HydratedInstall, input: ExecutionInput): Promise<ExecutionResult>;
  /** Takes nothing new, and waits until everything under way has ended and its row says so. */
  drain(): Promise<void>;
}

/** The one place that authorises an execution with a token, whoever asks. */
export function createExecutor(deps: ExecutorDeps): Executor {
  const running = new Set<Promise<unknown>>();
  const turnsOf = (atOnce: number): BoundedTurns => createBoundedTurns({ atOnce, waiting: WAITING * atOnce });
  const ofTenant = turnsOf(deps.tenantConcurrency);
  const ofInstall = turnsOf(deps.installConcurrency);
  const ending = new Set<Promise<void>>();
  const budget = createRetryBudget();
  let draining = false;

  /** Does not hold up the answer. Tried a few times: a row that stays `running` tells a client that nothing is known of its call. */
  function recordEnd(tenantId: string, executionId: string, end: ExecutionEnd): void {
    const write = persistently(() => deps.executions.end(tenantId, executionId, end))
      .catch((err: unknown) =>
        deps.logger.error({ err, tenantId, executionId }, 'execution could not be recorded'),
      )
      .finally(() => ending.delete(write));
    ending.add(write);
  }

  /** An answer that is late by a little costs nobody a refusal: what finds no place waits for one. */
  async function admit<Result>(
    { tenantId, installId }: HydratedInstall,
    work: () => Promise<Result>,
  ): Promise<Result> {
    const install = `${tenantId} ${installId}`;
    const leaveInstall = ofInstall.enter(install);
    if (leaveInstall) {
      const leaveTenant = ofTenant.enter(tenantId);
      if (leaveTenant) {
        return work().finally(() => {
          leaveTenant();
          leaveInstall();
        });
      }
      leaveInstall();
    }
    if (ofInstall.isFull(install) || ofTenant.isFull(tenantId)) await refuse();
    const waiting = new AbortController();
    const timer = setTimeout(() => waiting.abort(tooMany()), WAIT_MS);
    // What waits for a place of its install holds none of its tenant's.
    return ofInstall
      .run(install, waiting.signal, async () => {
        if (ofTenant.isFull(tenantId)) await refuse(); // it keeps its place, or all who wait for it were refused in one go
        return ofTenant.run(tenantId, waiting.signal, () => {
          clearTimeout(timer);
          return work();
        });
      })
      .finally(() => clearTimeout(timer));
  }

  async function prepare(
    install: HydratedInstall,
    input: ExecutionInput,
    { audience }: Runner,
    attempt: number,
    announcement: RunnerAnnouncement | Promise<RunnerAnnouncement>,
  ): Promise<Prepared> {
    const announced = await announcement;
    const { secretsKeyId } = deps;
    const request = executeRequestOf(install, input, { secretsKeyId, now: Date.now(), announced });
    const { seal_epoch: sealEpoch } = announced;
    const token = await deps.executionTokens.make(request, {
      attempt,
      audience,
      sealed: sealEpoch !== undefined,
    });
    return { request, token, sealEpoch };
  }

  function repeat(
    install: HydratedInstall,
    input: ExecutionInput,
    failed: { err: unknown; runner: Runner; startedAt: number },
  ): Promise<RunnerAnswer> {
    const { retryable } = input;
    return sendAgain(
      { retryable, ...failed },
      {
        budget,
        pick: (spent) => deps.runners.pick(install.tenantId, install.contentHash, spent),
        async send({ runner, number, announced }) {
          const attempt = prepare(install, input, runner, number, announced);
          const { request, ...proof } = await attempt;
          if (isLate(input.allowedAsOf)) await mustStillBeAllowed(install, input);
          return runner.client.execute(request, input.body, proof);
        },
      },
    );
  }

  async function runOnce(install: HydratedInstall, input: ExecutionInput): Promise<ExecutionResult> {
    const { tenantId } = install;
    const { executionId } = input;
    const runner = deps.runners.pick(tenantId, install.contentHash);
    if (!runner) throw new PlatformError('RUNNER_UNAVAILABLE', 'no runner is known; try again');
    budget.earn();
    // Side by side, and both before the runner is asked.
    const [prepared, begun] = await Promise.allSettled([
      prepare(install, input, runner, 1, runner.announcements.current()),
      deps.executions.begin(tenantId, {
        executionId,
        installId: install.installId,
        extensionId: install.extensionId,
        versionId: install.versionId,
        contentHash: install.contentHash,
        requestId: input.requestId,
        traceId: input.trace.traceId,
        trigger: input.trigger,
        method: input.method,
        path: input.path,
        principal: input.principal,
        requestBytes: input.body.byteLength,
      }),
    ]);
    if (begun.status === 'rejected') throw begun.reason;
    const started = performance.now();
    const elapsed = (): number => performance.now() - started;
    try {
      // The database was slow, or this process stood still: the install may be stopped by now.
      if (isLate(input.allowedAsOf)) await mustStillBeAllowed(install, input);
      const { answer, body } = await send(runner, prepared, input).catch((err: unknown) =>
        repeat(install, input, { err, runner, startedAt: started }),
      );
      const result = resultOf(answer, body, elapsed());
      recordEnd(tenantId, executionId, endOf(result, answer));
      return result;
    } catch (err) {
      const error = isPlatformError(err)
        ? err
        : new PlatformError('INTERNAL', 'dispatch failed', { cause: err });
      recordEnd(tenantId, executionId, {
        ...(error.code === 'OUTCOME_UNKNOWN'
          ? { status: 'interrupted' }
          : { status: 'failed', errorCode: error.code }),
        httpStatus: error.status,
        durationMs: elapsed(),
        responseBytes: 0,
      });
      throw error;
    }
  }

  /** What waited begins as what the install is by then, which may be of another version. */
  async function inTurn(install: HydratedInstall, input: ExecutionInput): Promise<ExecutionResult> {
    if (performance.now() - input.allowedAsOf <= ALLOWED_FOR_MS) return runOnce(install, input);
    const { fact, asOf, ...terms } = await input.allowAgain();
    return runOnce(fact, { ...input, ...terms, allowedAsOf: asOf });
  }

  return {
    run(install, input) {
      if (draining) {
        return Promise.reject(new PlatformError('GATEWAY_UNAVAILABLE', 'the gateway is stopping; try again'));
      }
      const run = admit(install, () => inTurn(install, input)).finally(() => running.delete(run));
      running.add(run);
      return run;
    },

    async drain() {
      draining = true;
      await Promise.allSettled(running);
      await Promise.all(ending);
    },
  };
}

type Prepared = Proof & { request: ExecuteRequest };

async function send(
  { client }: Runner,
  prepared: PromiseSettledResult<Prepared>,
  { body }: ExecutionInput,
): Promise<RunnerAnswer> {
  if (prepared.status === 'rejected') throw prepared.reason;
  const { request, ...proof } = prepared.value;
  return client.execute(request, body, proof);
}

function isLate(asOf: number): boolean {
  return performance.now() - asOf > BEGIN_WITHIN_MS;
}

async function mustStillBeAllowed(install: HydratedInstall, { allowAgain }: ExecutionInput): Promise<void> {
  const { fact, asOf } = await allowAgain();
  if (isLate(asOf) || !isDeepStrictEqual(fact, install)) {
    throw new PlatformError(
      'GATEWAY_UNAVAILABLE',
      'the install changed while its call was held up; try again',
    );
  }
}

/** Refuses one of too many at once. */
export async function refuse(): Promise<never> {
  await delay(REFUSE_AFTER_MS);
  throw tooMany();
}

function tooMany(): PlatformError {
  return new PlatformError('CONCURRENCY_LIMITED', 'too many executions at once; try again');
}

/** Characters of an exception that are kept, whatever a runner says. */
const MAX_EXCEPTION = 4 * 1024;

async function persistently(write: () => Promise<void>): Promise<void> {
  for (const pauseMs of RECORD_PAUSES_MS) {
    try {
      await write();
      return;
    } catch {
      await delay(pauseMs); // whatever it was: the last try says it
    }
  }
  await write();
}

function resultOf(answer: ExecuteResponse, body: Uint8Array, durationMs: number): ExecutionResult {
  if (answer.error) {
    return {
      ok: false,
      code: isErrorCode(answer.error.code) ? answer.error.code : 'GUEST_ERROR',
      durationMs,
    };
  }
  return { ok: true, status: answer.status, headers: answer.headers, body, durationMs };
}

function endOf(result: ExecutionResult, { metrics, status, error }: ExecuteResponse): ExecutionEnd {
  return {
    ...(result.ok ? { status: 'succeeded' } : { status: 'failed', errorCode: result.code }),
    ...(error?.exception !== undefined && { exception: error.exception.slice(0, MAX_EXCEPTION) }),
    httpStatus: status,
    durationMs: result.durationMs,
    cpuMs: metrics.cpu_ms,
    fuel: Math.round(metrics.fuel),
    memoryBytes: Math.round(metrics.memory_bytes),
    responseBytes: result.ok ? result.body.byteLength : 0,
  };
}
