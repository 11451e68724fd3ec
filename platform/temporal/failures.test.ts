import { describe, expect, it } from '@jest/globals';
import { ServiceError, WorkflowFailedError, WorkflowUpdateFailedError } from '@temporalio/client';
import { ActivityFailure, ApplicationFailure, RetryState } from '@temporalio/common';
import { PlatformError } from '../../core/errors.ts';
import { fromTemporalError, toApplicationFailure } from './failures.ts';

const issue = { path: 'name', code: 'too_small', message: 'is empty' };
const invalid = new PlatformError('MANIFEST_INVALID', 'the manifest has faults', {
  details: { file: 'manifest.json' },
  issues: [issue],
});

describe('toApplicationFailure', () => {
  it('carries code, message, details, issues and the attempt', () => {
    const failure = toApplicationFailure(invalid, 3);
    expect(failure).toMatchObject({
      type: 'MANIFEST_INVALID',
      message: 'the manifest has faults',
      details: [{ file: 'manifest.json' }, [issue], { attempt: 3 }],
    });
  });

  it.each([
    ['MANIFEST_INVALID', true],
    ['PUBLISHER_NOT_YOURS', true],
    ['VERSION_EXISTS', true],
    ['GUEST_TRAPPED', true],
    ['RUNNER_BUSY', false],
    ['CONCURRENCY_LIMITED', false],
    ['INTERNAL', false],
  ] as const)('%s: not worth a retry is %s', (code, nonRetryable) => {
    expect(toApplicationFailure(new PlatformError(code, 'x'), 1).nonRetryable).toBe(nonRetryable);
  });
});

describe('fromTemporalError', () => {
  it('finds the error below a failed workflow and its activity', () => {
    const activity = new ActivityFailure(
      'Activity task failed',
      'verifyBundle',
      '1',
      RetryState.NON_RETRYABLE_FAILURE,
      'worker',
      toApplicationFailure(invalid, 1),
    );
    const err = new WorkflowFailedError('failed', activity, RetryState.NON_RETRYABLE_FAILURE);
    expect(fromTemporalError(err)).toMatchObject({
      code: 'MANIFEST_INVALID',
      message: 'the manifest has faults',
      details: { file: 'manifest.json' },
      issues: [issue],
    });
  });

  it('gives what a validator refused with, and its facts', () => {
    const running = { operation: 'install', digest: 'abc' };
    const refusal = ApplicationFailure.nonRetryable('another is running', 'OPERATION_RUNNING', running);
    expect(fromTemporalError(new WorkflowUpdateFailedError('failed', refusal))).toMatchObject({
      code: 'OPERATION_RUNNING',
      details: running,
    });
  });

  it('calls a server that does not answer unavailable', () => {
    const err = new ServiceError('failed to start', { cause: new Error('14 UNAVAILABLE') });
    expect(fromTemporalError(err)?.code).toBe('TEMPORAL_UNAVAILABLE');
  });

  it('leaves anything else to its caller', () => {
    expect(fromTemporalError(new TypeError('a bug'))).toBeUndefined();
    const foreign = ApplicationFailure.create({ message: 'x', type: 'SomethingElse' });
    expect(fromTemporalError(new WorkflowUpdateFailedError('failed', foreign))).toBeUndefined();
  });
});
