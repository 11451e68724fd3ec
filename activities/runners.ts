import { activityInfo } from '@temporalio/activity';
import { z } from 'zod';
import type { Trigger } from '../core/execute.ts';
import { isErrorCode, isPlatformError, kindOf, PlatformError } from '../core/errors.ts';
import type { SecretValue } from '../core/secret-value.ts';
import { withHeartbeat } from './heartbeat.ts';

/** The gateway gives a health endpoint five seconds; past these, it is the gateway that does not answer. */
const PROBE_DEADLINE_MS = 10_000;
/** Loading an artifact into a runner for the first time reads it from the object store and compiles it. */
const WARM_DEADLINE_MS = 60_000;

export interface RunnerDeps {
  gateway: { baseUrl: string; token: SecretValue };
}

export interface WarmVersionInput {
  installId: string;
  versionId: string;
}

export interface ProbeVersionInput extends WarmVersionInput {
  /** Path of the manifest's health endpoint, which is a GET. */
  health: string;
}

const executionAnswer = z.object({
  status: z.int(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
});
const problem = z.object({ code: z.string(), detail: z.string() });

export type RunnerActivities = ReturnType<typeof createRunnerActivities>;

/** Executions of a version that may not serve yet. The gateway authorises them and speaks to a runner. */
export function createRunnerActivities({ gateway }: RunnerDeps) {
  /** Throws GATEWAY_UNAVAILABLE without an answer in time, what the gateway refused with, or what ended the guest. */
  async function execute(
    body: WarmVersionInput & { trigger: Trigger; http?: { method: string; path: string } },
    deadlineMs: number,
    cancelled: AbortSignal,
  ): Promise<{ status: number }> {
    let response: Response;
    let answer: unknown;
    try {
      response = await fetch(new URL('/api/internal/executions', gateway.baseUrl), {
        method: 'POST',
        headers: { authorization: `Bearer ${gateway.token.reveal()}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.any([cancelled, AbortSignal.timeout(deadlineMs)]),
      });
      answer = await response.json();
    } catch (cause) {
      cancelled.throwIfAborted();
      throw new PlatformError('GATEWAY_UNAVAILABLE', 'the gateway did not answer', { cause });
    }
    if (!response.ok) throw refusal(response.status, answer);
    const { status, error } = executionAnswer.parse(answer);
    if (!error) return { status };
    throw isErrorCode(error.code)
      ? new PlatformError(error.code, error.message)
      : new PlatformError('GUEST_ERROR', error.message, { details: { code: error.code } });
  }

  return {
    /** Has a runner load and instantiate the version. A second time finds it loaded. */
    async warmVersion({ installId, versionId }: WarmVersionInput): Promise<{ attempts: number }> {
      await withHeartbeat((signal) =>
        execute({ installId, versionId, trigger: 'warm' }, WARM_DEADLINE_MS, signal),
      );
      return { attempts: activityInfo().attempt };
    },

    /** Asks the version's health endpoint. A second time asks again: a health endpoint must bear that. */
    async probeVersion({ installId, versionId, health }: ProbeVersionInput): Promise<{ attempts: number }> {
      const failed = (how: string, cause?: unknown): PlatformError =>
        new PlatformError('HEALTH_CHECK_FAILED', `GET ${health} must answer 2xx within 5 s; it ${how}`, {
          cause,
        });
      try {
        const http = { method: 'GET', path: health };
        const { status } = await withHeartbeat((signal) =>
          execute({ installId, versionId, trigger: 'probe', http }, PROBE_DEADLINE_MS, signal),
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

function refusal(status: number, answer: unknown): PlatformError {
  const { data } = problem.safeParse(answer);
  const code = data && isErrorCode(data.code) ? data.code : undefined;
  // Our own credential was refused: nothing the install could help, and an operator can put it right while we retry.
  if (!code || kindOf(code) === 'unauthenticated' || kindOf(code) === 'forbidden') {
    return new PlatformError('GATEWAY_UNAVAILABLE', `the gateway answered the worker with ${status}`, {
      details: { status, code: data?.code },
    });
  }
  return new PlatformError(code, data?.detail ?? `the gateway answered ${status}`);
}
