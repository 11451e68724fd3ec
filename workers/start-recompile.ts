import type { Client } from '@temporalio/client';
import { LIFECYCLE_TASK_QUEUE, recompileWorkflowId } from '../core/ids.ts';
import type { recompileAll } from '../workflows/recompile-all.ts';
import type { RecompileInput } from '../workflows/messages.ts';

/**
 * Has every live bundle brought to a target and a key, or joins the run that does so. One that finds nothing to do ends at once, so it
 * is started whenever a precompile worker starts. Answers the workflow's id.
 */
export async function startRecompile(client: Client, input: RecompileInput): Promise<string> {
  const workflowId = recompileWorkflowId(input.target, input.keyId);
  await client.workflow.start<typeof recompileAll>('recompileAll', {
    workflowId,
    taskQueue: LIFECYCLE_TASK_QUEUE,
    workflowIdConflictPolicy: 'USE_EXISTING',
    args: [input],
  });
  return workflowId;
}
