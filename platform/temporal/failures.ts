import {
  ServiceError,
  WorkflowFailedError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { isErrorCode, PlatformError, type Issue } from '../../core/errors.ts';

/** What a failure carries beside its message: the error's details, its issues, and which attempt of the activity it ended. */
type FailureDetails = [details: Record<string, unknown>, issues?: readonly Issue[], of?: { attempt: number }];

/** How a PlatformError leaves a worker: its code as the type, and retried only if its kind is worth a second try. */
export function toApplicationFailure(err: PlatformError, attempt: number): ApplicationFailure {
  const details: FailureDetails = [err.details, err.issues, { attempt }];
  return ApplicationFailure.create({
    message: err.message,
    type: err.code,
    nonRetryable: !err.retryable,
    details,
    cause: err,
  });
}

/**
 * The way back, for callers of Temporal: the error that a workflow or an update failed with, or TEMPORAL_UNAVAILABLE if the server
 * did not answer. Undefined if it is neither.
 */
export function fromTemporalError(err: unknown): PlatformError | undefined {
  if (err instanceof ServiceError || err instanceof WorkflowUpdateRPCTimeoutOrCancelledError) {
    return new PlatformError('TEMPORAL_UNAVAILABLE', 'Temporal did not answer in time; try again', {
      cause: err,
    });
  }
  if (!(err instanceof WorkflowUpdateFailedError) && !(err instanceof WorkflowFailedError)) return undefined;
  for (let cause: unknown = err.cause; cause instanceof Error; cause = cause.cause) {
    const found = cause instanceof ApplicationFailure ? fromApplicationFailure(cause) : undefined;
    if (found) return found;
  }
  return undefined;
}

function fromApplicationFailure(failure: ApplicationFailure): PlatformError | undefined {
  const { type, message, details } = failure;
  if (typeof type !== 'string' || !isErrorCode(type)) return undefined;
  const [facts = {}, issues = []] = (details ?? []) as Partial<FailureDetails>;
  return new PlatformError(type, message, { details: facts, issues, cause: failure });
}
