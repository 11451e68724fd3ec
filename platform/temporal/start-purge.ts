import { WorkflowExecutionAlreadyStartedError, type Client } from '@temporalio/client';
import { LIFECYCLE_TASK_QUEUE, purgeWorkflowId } from '../../core/ids.ts';
import { purgeTitle } from '../../core/titles.ts';

/** Starts the purge of an uninstalled install; one that runs is left to itself. */
export type StartPurge = (install: { tenantId: string; installId: string }) => Promise<void>;

export function createStartPurge({ workflow }: Client): StartPurge {
  return async ({ tenantId, installId }) => {
    try {
      await workflow.start('purgeInstall', {
        workflowId: purgeWorkflowId(installId),
        taskQueue: LIFECYCLE_TASK_QUEUE,
        args: [{ tenantId, installId }],
        staticSummary: purgeTitle({ tenantId, installId }),
        priority: { fairnessKey: tenantId },
      });
    } catch (err) {
      if (!(err instanceof WorkflowExecutionAlreadyStartedError)) throw err;
    }
  };
}
