import { ApplicationFailure, setHandler } from '@temporalio/workflow';
import type { InstallOperationKind } from '../core/progress.ts';
import { installOpenedUpdate, type RunningOperation } from './messages.ts';
import type { Opening } from './opening.ts';

/** Lets callers with the same input join the running operation, and tells all others what runs. */
export function answerOpened(
  operation: InstallOperationKind,
  { installId, draftId, digest }: { installId: string; draftId?: string; digest: string },
  opening: Opening,
  isOver: () => boolean = () => false,
): void {
  const running: RunningOperation = { operation, digest };
  setHandler(
    installOpenedUpdate,
    async () => {
      await opening.settled();
      return { installId, ...(draftId !== undefined && { draftId }) };
    },
    {
      validator: (asked: RunningOperation) => {
        const isSame = asked.operation === running.operation && asked.digest === running.digest;
        // One that has done its work does nothing for who comes now: they begin their own once this run is gone.
        if (isSame && !isOver()) return;
        throw ApplicationFailure.nonRetryable(
          `another operation on this install is running: ${running.operation}`,
          'OPERATION_RUNNING',
          running,
        );
      },
    },
  );
}
