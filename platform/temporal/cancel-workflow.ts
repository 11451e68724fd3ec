import { setTimeout as delay } from 'node:timers/promises';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';

const LOOK_AGAIN_MS = 100;

/** Cancels the run of a workflow that is open, and answers once it has ended: undone what it undoes. None that is open is no error. */
export type CancelWorkflow = (workflowId: string, signal: AbortSignal) => Promise<void>;

export function createCancelWorkflow({ workflow }: Client): CancelWorkflow {
  return async (workflowId, signal) => {
    try {
      const { runId, status } = await workflow.getHandle(workflowId).describe();
      if (status.name !== 'RUNNING' && status.name !== 'PAUSED') return;
      // This run: another that begins after it is another's.
      const run = workflow.getHandle(workflowId, runId);
      await run.cancel();
      while ((await run.describe()).status.name === 'RUNNING')
        await delay(LOOK_AGAIN_MS, undefined, { signal });
    } catch (err) {
      if (!(err instanceof WorkflowNotFoundError)) throw err;
    }
  };
}
