import type { Client } from '@temporalio/client';
import { LIFECYCLE_TASK_QUEUE, recompileWorkflowId } from '../../core/ids.ts';
import { recompileTitle } from '../../core/titles.ts';

export interface RecompileGoal {
  target: string;
  /** `sha256:<hex>` of the public key that is to have signed every artifact. */
  keyId: string;
  /** Bundles at the same time; the workflow has a default. */
  atOnce?: number;
}

/**
 * Has every live bundle brought to a target and a key, or joins the run that does so. One that finds nothing to do ends at once, so it
 * is started whenever a precompile worker starts. Answers the workflow's id.
 */
export async function startRecompile(client: Client, goal: RecompileGoal): Promise<string> {
  const workflowId = recompileWorkflowId(goal.target, goal.keyId);
  await client.workflow.start('recompileAll', {
    workflowId,
    taskQueue: LIFECYCLE_TASK_QUEUE,
    workflowIdConflictPolicy: 'USE_EXISTING',
    args: [goal],
    staticSummary: recompileTitle(goal),
  });
  return workflowId;
}
