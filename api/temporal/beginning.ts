import { WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import { PlatformError } from '../../core/errors.ts';
import { fromTemporalError } from '../../platform/temporal/failures.ts';

/** A server that is there answers this soon. */
const REACH_DEADLINE_MS = 3_000;

/** gRPC status codes by which a server says that it did not take a call; any other may come after it did. */
const REFUSALS: ReadonlySet<number> = new Set([3, 5, 7, 8, 9, 12, 16]);

/**
 * Work that Temporal is asked for. Errors: what it failed with; STATE_CONFLICT if what it is about has ended; TEMPORAL_UNAVAILABLE if
 * nothing was begun; TEMPORAL_OUTCOME_UNKNOWN if it may have been.
 */
export interface Beginning {
  /** For what has not begun yet. Temporal is asked first, because of a start that fails nobody can tell whether it arrived. */
  begin: <T>(work: () => Promise<T>) => Promise<T>;
  /** For what may have begun before. */
  attempt: <T>(
    work: () => Promise<T>,
    withinMs: number,
    provesNothingBegun?: (err: unknown) => boolean,
  ) => Promise<T>;
}

export function createBeginning(client: Client, beginWithinMs: number): Beginning {
  const attempt: Beginning['attempt'] = async (work, withinMs, provesNothingBegun = () => false) => {
    try {
      return await client.withDeadline(Date.now() + withinMs, work);
    } catch (err) {
      if (err instanceof WorkflowNotFoundError || err instanceof WorkflowExecutionAlreadyStartedError) {
        throw new PlatformError('STATE_CONFLICT', 'the operation has ended already', { cause: err });
      }
      const error = fromTemporalError(err);
      if (error?.code === 'TEMPORAL_UNAVAILABLE' && !provesNothingBegun(err)) {
        throw new PlatformError('TEMPORAL_OUTCOME_UNKNOWN', 'Temporal may have taken the work', {
          cause: err,
        });
      }
      throw error ?? err;
    }
  };

  async function reach(): Promise<void> {
    try {
      await client.withDeadline(Date.now() + REACH_DEADLINE_MS, () =>
        client.connection.workflowService.getSystemInfo({}),
      );
    } catch (cause) {
      throw new PlatformError(
        'TEMPORAL_UNAVAILABLE',
        'Temporal did not answer; nothing was begun, try again',
        { cause },
      );
    }
  }

  return {
    async begin(work) {
      await reach();
      return attempt(work, beginWithinMs, isRefusal);
    },
    attempt,
  };
}

function isRefusal(err: unknown): boolean {
  const { cause } = err as { cause?: { code?: unknown } };
  return typeof cause?.code === 'number' && REFUSALS.has(cause.code);
}
