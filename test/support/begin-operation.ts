import { WithStartWorkflowOperation, type Client, type WorkflowHandle } from '@temporalio/client';
import { LIFECYCLE_TASK_QUEUE, operationWorkflowId } from '../../core/ids.ts';
import type { LifecycleKind } from '../../core/progress.ts';
import { installOpenedUpdate, type OperateInstallInput } from '../../workflows/messages.ts';

/** As the gateway does: begins an operation on an install, or joins the same one, and answers once its row is written. */
export async function beginOperation(
  client: Client,
  kind: LifecycleKind,
  { tenantId, extensionId, extension, installId, requestedBy }: OperateInstallInput,
): Promise<WorkflowHandle> {
  const startWorkflowOperation = new WithStartWorkflowOperation(`${kind}Install`, {
    workflowId: operationWorkflowId(kind, { tenantId, extensionId, installId }),
    taskQueue: LIFECYCLE_TASK_QUEUE,
    args: [{ tenantId, extensionId, extension, installId, requestedBy }],
    workflowIdConflictPolicy: 'USE_EXISTING',
  });
  await client.workflow.executeUpdateWithStart(installOpenedUpdate, {
    args: [{ operation: kind, digest: kind }],
    startWorkflowOperation,
  });
  return startWorkflowOperation.workflowHandle();
}
