import { WithStartWorkflowOperation, type Client, type WorkflowHandle } from '@temporalio/client';
import { installWorkflowId, LIFECYCLE_TASK_QUEUE, operationWorkflowId } from '../../core/ids.ts';
import type { LifecycleKind } from '../../core/progress.ts';
import {
  installOpenedUpdate,
  type InstallExtensionInput,
  type OperateInstallInput,
  type RollbackInstallInput,
} from '../../workflows/messages.ts';

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

const WORKFLOWS = {
  install: 'installExtension',
  upgrade: 'upgradeInstall',
  rollback: 'rollbackInstall',
} as const;

/** The same for what brings a version to an install. */
export async function beginVersion(
  client: Client,
  operation: keyof typeof WORKFLOWS,
  input: InstallExtensionInput | RollbackInstallInput,
): Promise<WorkflowHandle> {
  const startWorkflowOperation = new WithStartWorkflowOperation(WORKFLOWS[operation], {
    workflowId: installWorkflowId(input.tenantId, input.extensionId),
    taskQueue: LIFECYCLE_TASK_QUEUE,
    args: [input],
    workflowIdConflictPolicy: 'USE_EXISTING',
  });
  await client.workflow.executeUpdateWithStart(installOpenedUpdate, {
    args: [{ operation, digest: input.digest }],
    startWorkflowOperation,
  });
  return startWorkflowOperation.workflowHandle();
}
