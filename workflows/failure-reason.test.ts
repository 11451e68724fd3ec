import { describe, expect, it } from '@jest/globals';
import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  RetryState,
  TimeoutFailure,
  TimeoutType,
} from '@temporalio/common';
import { attemptsOf, failureReason } from './failure-reason.ts';

function activityFailed(cause: Error): ActivityFailure {
  return new ActivityFailure('failed', 'anActivity', '1', RetryState.NON_RETRYABLE_FAILURE, 'worker', cause);
}

describe('failureReason', () => {
  it('gives the code and the sentence of the error an activity ended with', () => {
    const cause = ApplicationFailure.nonRetryable('the manifest has faults', 'MANIFEST_INVALID');
    expect(failureReason(activityFailed(cause))).toEqual({
      code: 'MANIFEST_INVALID',
      message: 'the manifest has faults',
    });
  });

  it('hides the message of a fault of our own', () => {
    const cause = ApplicationFailure.nonRetryable('key sha256/ab holds other bytes', 'OBJECT_CONFLICT');
    const reason = failureReason(activityFailed(cause));
    expect(reason.code).toBe('INTERNAL');
    expect(reason.message).not.toContain('sha256');
  });

  it('hides the message of an error that is none of ours', () => {
    const reason = failureReason(
      activityFailed(ApplicationFailure.create({ message: 'password=x', type: 'TypeError' })),
    );
    expect(reason.code).toBe('INTERNAL');
    expect(reason.message).not.toContain('password');
  });

  it('says that a step was out of time when its worker never answered', () => {
    const reason = failureReason(
      activityFailed(new TimeoutFailure('timed out', undefined, TimeoutType.HEARTBEAT)),
    );
    expect(reason).toEqual({ code: 'INTERNAL', message: 'the platform did not finish this step in time' });
  });

  it('gives the last error of a step that ran out of retries', () => {
    const last = ApplicationFailure.create({
      message: 'the store is away',
      type: 'OBJECT_STORE_UNAVAILABLE',
    });
    const timeout = Object.assign(new TimeoutFailure('timed out', undefined, TimeoutType.SCHEDULE_TO_CLOSE), {
      cause: last,
    });

    expect(failureReason(activityFailed(timeout)).code).toBe('OBJECT_STORE_UNAVAILABLE');
  });

  it('says so when the workflow was cancelled', () => {
    expect(failureReason(new CancelledFailure('cancelled')).code).toBe('OPERATION_CANCELLED');
    expect(failureReason(activityFailed(new CancelledFailure('cancelled'))).code).toBe('OPERATION_CANCELLED');
  });
});

describe('attemptsOf', () => {
  it('reads how many attempts the failed activity made', () => {
    const cause = ApplicationFailure.create({
      message: 'busy',
      type: 'RUNNER_BUSY',
      details: [{}, [], { attempt: 4 }],
    });
    expect(attemptsOf(activityFailed(cause))).toBe(4);
  });

  it('counts one attempt of a worker that died without a word', () => {
    expect(
      attemptsOf(activityFailed(new TimeoutFailure('timed out', undefined, TimeoutType.HEARTBEAT))),
    ).toBe(1);
  });
});
