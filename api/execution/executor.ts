import { setTimeout as delay } from 'node:timers/promises';
import { isErrorCode, isPlatformError, PlatformError, type ErrorCode } from '../../core/errors.ts';
import type { ExecuteRequest, ExecuteResponse, HeaderMap, RunnerAnnouncement } from '../../core/execute.ts';
import type { ExecutionEnd, ExecutionStore } from '../../platform/db/executions.ts';
import type { HydratedInstall } from '../../platform/db/hydration.ts';
import { createBoundedTurns } from '../../platform/bounded-turns.ts';
import type { Logger } from '../../platform/logger.ts';
import { executeRequestOf, type ExecutionInput } from './execute-request.ts';
import type { ExecutionTokens } from './execution-tokens.ts';
import { refusedToBegin } from './runner-client.ts';
import type { Runners } from './runners.ts';

/** Of a refusal for too many at once: a client that does not heed Retry-After heeds this. */
const REFUSE_AFTER_MS = 250;
/** Before each further try to write an end: a database that restarts is back within them. */
const RECORD_PAUSES_MS = [100, 400, 1_500, 5_000];

export interface ExecutorDeps {
  executions: Pick<ExecutionStore, 'begin' | 'end'>;
  runners: Pick<Runners, 'pick'>;
  executionTokens: Pick<ExecutionTokens, 'make'>;
  secretsKeyId: string;
  /** Executions of one tenant at once in this gateway; as many wait a moment. What is over costs neither a row nor a question to the runner. */
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
   * Runs an authorised call at most once. The execution's row is written before the runner is asked; if that fails, nothing runs.
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
  const ofTenant = createBoundedTurns({ atOnce: deps.tenantConcurrency, waiting: deps.tenantConcurrency });
  const ofInstall = createBoundedTurns({ atOnce: deps.installConcurrency, waiting: deps.installConcurrency });
  const ending = new Set<Promise<void>>();
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

  /** An answer that is late by a little costs nobody a refusal: what finds no place waits for one as long as it would be refused for. */
  async function admit<Result>(
    { tenantId, installId }: HydratedInstall,
    work: () => Promise<Result>,
  ): Promise<Result> {
    const install = `${tenantId} ${installId}`;
    if (ofInstall.isFull(install) || ofTenant.isFull(tenantId)) await refuse();
    const waiting = new AbortController();
    const timer = setTimeout(() => waiting.abort(tooMany()), REFUSE_AFTER_MS);
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

  async function runOnce(install: HydratedInstall, input: ExecutionInput): Promise<ExecutionResult> {
    const { tenantId } = install;
    const { executionId } = input;
    const { secretsKeyId, executionTokens } = deps;
    const { client, audience, announcements } = deps.runners.pick(tenantId, install.contentHash);
    const prepare = async (
      attempt: number,
      announcement: RunnerAnnouncement | Promise<RunnerAnnouncement>,
    ): Promise<{ request: ExecuteRequest; token: string; sealEpoch: string | undefined }> => {
      const announced = await announcement;
      const request = executeRequestOf(install, input, { secretsKeyId, now: Date.now(), announced });
      const { seal_epoch: sealEpoch } = announced;
      const token = await executionTokens.make(request, {
        attempt,
        audience,
        sealed: sealEpoch !== undefined,
      });
      return { request, token, sealEpoch };
    };
    // Side by side, and both before the runner is asked.
    const [prepared, begun] = await Promise.allSettled([
      prepare(1, announcements.current()),
      deps.executions.begin(tenantId, {
        executionId,
        installId: install.installId,
        extensionId: install.extensionId,
        versionId: install.versionId,
        contentHash: install.contentHash,
        requestId: input.requestId,
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
      if (prepared.status === 'rejected') throw prepared.reason;
      const { request, ...proof } = prepared.value;
      const { answer, body } = await client
        .execute(request, input.body, proof)
        .catch(async (err: unknown) => {
          if (!refusedToBegin(err)) throw err;
          // It was started again, or is of another release, since it was last asked.
          const { request: again, ...newProof } = await prepare(2, announcements.renewed());
          return client.execute(again, input.body, newProof);
        });
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

  return {
    run(install, input) {
      if (draining) {
        return Promise.reject(new PlatformError('GATEWAY_UNAVAILABLE', 'the gateway is stopping; try again'));
      }
      const run = admit(install, () => runOnce(install, input)).finally(() => running.delete(run));
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

/** Refuses one of too many at once. */
export async function refuse(): Promise<never> {
  await delay(REFUSE_AFTER_MS);
  throw tooMany();
}

function tooMany(): PlatformError {
  return new PlatformError('CONCURRENCY_LIMITED', 'too many executions at once; try again');
}

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

function endOf(result: ExecutionResult, { metrics, status }: ExecuteResponse): ExecutionEnd {
  return {
    ...(result.ok ? { status: 'succeeded' } : { status: 'failed', errorCode: result.code }),
    httpStatus: status,
    durationMs: result.durationMs,
    cpuMs: metrics.cpu_ms,
    fuel: Math.round(metrics.fuel),
    memoryBytes: Math.round(metrics.memory_bytes),
    responseBytes: result.ok ? result.body.byteLength : 0,
  };
}
