import { ensureTemporalFailure } from '@temporalio/common';
import { CancellationScope, condition } from '@temporalio/workflow';

/** What callers of an `…Opened` update wait for. */
export interface Opening {
  succeeded(): void;
  failed(err: unknown): void;
  /** Settles when opening has; rethrows what it failed with. */
  settled(): Promise<void>;
}

export function createOpening(): Opening {
  // A value and not a promise: one that rejects with no caller waiting would fail the workflow task.
  let outcome: { failure?: Error } | undefined;
  return {
    succeeded: () => void (outcome ??= {}),
    failed: (err) => void (outcome ??= { failure: ensureTemporalFailure(err) }),
    async settled() {
      // Also of a workflow that is cancelled meanwhile: what became of opening is still to be told.
      await CancellationScope.nonCancellable(() => condition(() => outcome !== undefined));
      if (outcome?.failure) throw outcome.failure;
    },
  };
}
