import { ApplicationFailure, CancellationScope, isCancellation, TimeoutFailure } from '@temporalio/workflow';
import { isErrorCode, kindOf } from '../core/errors.ts';
import type { FailureReason, Step } from '../core/progress.ts';
import { failureText } from '../core/story.ts';

/** What a person is told of a failure. A fault of our own is not explained to them: its message stays in Temporal. */
export function failureReason(err: unknown): FailureReason {
  if (isCancellation(err)) {
    return { code: 'OPERATION_CANCELLED', message: 'the operation was cancelled by an operator' };
  }
  for (const cause of causes(err)) {
    if (cause instanceof TimeoutFailure && cause.cause === undefined) {
      return { code: 'INTERNAL', message: 'the platform did not finish this step in time' };
    }
    if (!(cause instanceof ApplicationFailure)) continue;
    const code = cause.type ?? '';
    if (isErrorCode(code) && kindOf(code) !== 'internal') return { code, message: cause.message };
  }
  return { code: 'INTERNAL', message: 'the platform failed at this step' };
}

/**
 * What a workflow fails with, told for operators: what failed, after how many attempts, what was undone, what to do. Its cause is `err`;
 * its own cancellation stays one.
 */
export function failureWithStory(err: unknown, steps: readonly Step[]): unknown {
  const text = failureText(steps);
  // One that a child was ended with is a failure here.
  const isOwn = isCancellation(err) && CancellationScope.current().consideredCancelled;
  if (isOwn || text === undefined || !(err instanceof Error)) return err;
  return ApplicationFailure.create({
    message: text,
    type: failureReason(err).code,
    nonRetryable: true,
    cause: err,
  });
}

/** Attempts that the failed activity is known to have made; a worker that died cannot tell, so this is the least it was. */
export function attemptsOf(err: unknown): number {
  for (const cause of causes(err)) {
    if (!(cause instanceof ApplicationFailure)) continue;
    const [, , of] = (cause.details ?? []) as [unknown?, unknown?, { attempt?: number }?];
    if (typeof of?.attempt === 'number') return of.attempt;
  }
  return 1;
}

function* causes(err: unknown): Generator<Error> {
  for (let cause: unknown = err; cause instanceof Error; cause = cause.cause) yield cause;
}
