import { setTimeout as delay } from 'node:timers/promises';
import { isErrorCode, isPlatformError, kindOf, PlatformError } from '../../core/errors.ts';
import type { RunnerAnnouncement } from '../../core/execute.ts';
import type { RetryBudget } from './retry-budget.ts';
import { refusedToBegin, type RunnerAnswer } from './runner-client.ts';
import type { Runner } from './runners.ts';

/** Of one call. */
const MOST_ATTEMPTS = 5;
/** One that drains has closed its idle connections by then: a new one leads to its successor, where there is one at its address. */
const SUCCESSOR_AFTER_MS = 400;
/** From the first attempt on; each has all the time that a first one has, to begin and for its guest. */
const AGAIN_WITHIN_MS = 6_500;
/** The same where a runner only did not know the call's seal: it has been started meanwhile, for which the call waited, and is there now. */
const NEWS_WITHIN_MS = 12_000;

export interface FailedCall {
  /** Whether its author said that a second run does no harm. */
  retryable: boolean;
  /** When the first attempt was made, on the clock of `performance.now()`. */
  startedAt: number;
  /** What that failed with, and where. */
  err: unknown;
  runner: Runner;
}

export interface NextAttempts {
  budget: Pick<RetryBudget, 'spend'>;
  /** Another runner than those that are spent. */
  pick: (spent: ReadonlySet<Runner>) => Runner | undefined;
  /** Throws also what forbids the call by now. */
  send: (attempt: {
    runner: Runner;
    /** Counted from 1. */
    number: number;
    announced: RunnerAnnouncement | Promise<RunnerAnnouncement>;
  }) => Promise<RunnerAnswer>;
}

/**
 * Sends a call again that had not begun, or of which that is not known and does no harm, as often as there is reason to. Throws what the
 * last attempt failed with, but OUTCOME_UNKNOWN if the guest may have begun in any of them.
 */
export async function sendAgain(call: FailedCall, next: NextAttempts): Promise<RunnerAnswer> {
  let { err, runner } = call;
  let lost: unknown;
  const spent = new Set<Runner>();
  const renewed = new Set<Runner>();
  for (let number = 2; number <= MOST_ATTEMPTS; number += 1) {
    runner.failedWith(err);
    if (isLost(err)) lost ??= err;
    // It was started again, or is of another release, since it was last asked.
    const isNews = refusedToBegin(err) && !renewed.has(runner);
    if (isNews) {
      renewed.add(runner);
    } else {
      if (!hadNotBegun(err) && !(call.retryable && isLost(err))) break;
      spent.add(runner);
      const other = next.pick(spent);
      if ((!other && !drains(err)) || !next.budget.spend()) break;
      if (!other) await delay(SUCCESSOR_AFTER_MS);
      runner = other ?? runner;
    }
    if (performance.now() - call.startedAt > (isNews ? NEWS_WITHIN_MS : AGAIN_WITHIN_MS)) {
      if (isNews) err = noTime(err);
      break;
    }
    try {
      const { announcements } = runner;
      const announced = isNews ? announcements.renewed() : announcements.current();
      const answer = await next.send({ runner, number, announced });
      if (lost !== undefined && !speaksForTheGuest(answer)) break;
      return answer;
    } catch (cause) {
      err = cause;
    }
  }
  throw lost ?? err;
}

/** It is not its answer to this call, only to its seal. */
function noTime(cause: unknown): PlatformError {
  return new PlatformError('RUNNER_UNAVAILABLE', 'the runner was started anew meanwhile; try again', {
    cause,
  });
}

function isLost(err: unknown): boolean {
  return isPlatformError(err) && err.code === 'OUTCOME_UNKNOWN';
}

/** By the word of the runner itself, or because not a byte has reached it. */
function hadNotBegun(err: unknown): boolean {
  if (!isPlatformError(err)) return false;
  return err.code === 'RUNNER_UNAVAILABLE' || err.details['runnerCode'] === 'RUNNER_BUSY' || drains(err);
}

function drains(err: unknown): boolean {
  return isPlatformError(err) && err.details['runnerCode'] === 'RUNNER_DRAINING';
}

/** Whether this attempt had the guest answer, or end: what else is said is about the runner. */
function speaksForTheGuest({ answer: { error } }: RunnerAnswer): boolean {
  return error === undefined || (isErrorCode(error.code) && kindOf(error.code) === 'guest');
}
