import { WorkflowNotFoundError, type Client } from '@temporalio/client';

/** `gone`: it ended in another way, or Temporal knows nothing of it. */
export type WorkflowState = 'running' | 'terminated' | 'gone';

/** How the latest run under an id stands. Throws if Temporal does not answer. */
export type ReadWorkflowState = (workflowId: string) => Promise<WorkflowState>;

export function createReadWorkflowState({ workflow }: Client): ReadWorkflowState {
  return async (workflowId) => {
    try {
      const { name } = (await workflow.getHandle(workflowId).describe()).status;
      if (name === 'RUNNING' || name === 'PAUSED' || name === 'CONTINUED_AS_NEW') return 'running';
      return name === 'TERMINATED' ? 'terminated' : 'gone';
    } catch (err) {
      if (err instanceof WorkflowNotFoundError) return 'gone';
      throw err;
    }
  };
}
