import { ApplicationFailure, setHandler } from '@temporalio/workflow';
import { installOpenedUpdate, type RunningOperation } from './messages.ts';
import type { Opening } from './opening.ts';

/** Lets callers with the same input join the running operation, and tells all others what runs. */
export function answerOpened(running: RunningOperation, installId: string, opening: Opening): void {
  setHandler(
    installOpenedUpdate,
    async () => {
      await opening.settled();
      return { installId };
    },
    {
      validator: (asked: RunningOperation) => {
        if (asked.operation === running.operation && asked.digest === running.digest) return;
        throw ApplicationFailure.nonRetryable(
          `another operation on this install is running: ${running.operation}`,
          'OPERATION_RUNNING',
          running,
        );
      },
    },
  );
}
