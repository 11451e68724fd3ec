import { randomUUID } from 'node:crypto';
import { WithStartWorkflowOperation, type Client, type WorkflowHandle } from '@temporalio/client';
import type { InstallActivities } from '../../activities/installs.ts';
import type { LifecycleActivities } from '../../activities/install-lifecycle.ts';
import { installWorkflowId, LIFECYCLE_TASK_QUEUE } from '../../core/ids.ts';
import type { configureInstall } from '../../workflows/configure-install.ts';
import type { installExtension } from '../../workflows/install-extension.ts';
import {
  installOpenedUpdate,
  type ConfigureInstallInput,
  type InstallExtensionInput,
} from '../../workflows/messages.ts';
import { scriptActivities, type ActivityScript } from './activity-script.ts';

type Fakes = InstallActivities & Pick<LifecycleActivities, 'warmInstall' | 'probeInstall'>;

/** Activities of an install that goes well: one required capability, one optional, and a health endpoint. */
export function fakeInstallActivities(): ActivityScript<Fakes> {
  return scriptActivities<Fakes>({
    openInstall: () => ({
      requested: [
        { capability: 'storage.kv', scope: { namespaces: ['notes'] }, optional: false },
        { capability: 'secrets.get', scope: {}, optional: true },
      ],
      health: '/health',
      attempts: 1,
    }),
    waitForConsent: () => undefined,
    waitForSettings: () => undefined,
    grantCapabilities: () => ({ attempts: 1 }),
    revokeCapabilities: () => undefined,
    narrowGrants: () => ({ grants: [] }),
    applyDraft: () => ({ configVersion: 1, secretsVersion: 0, attempts: 1 }),
    clearSettings: () => undefined,
    discardDraft: () => undefined,
    warmInstall: () => ({ attempts: 1 }),
    probeInstall: () => ({ attempts: 1 }),
    activateInstall: () => ({ attempts: 1 }),
    deactivateInstall: () => undefined,
    endInstall: () => undefined,
  });
}

export function installInput(overrides: Partial<InstallExtensionInput> = {}): InstallExtensionInput {
  return {
    tenantId: randomUUID(),
    extensionId: randomUUID(),
    extension: 'alga.hello',
    installId: randomUUID(),
    versionId: randomUUID(),
    contentHash: `sha256:${'ab'.repeat(32)}`,
    version: '1.2.3',
    draftId: randomUUID(),
    consent: 'all',
    requestedBy: 'key:admin',
    digest: 'digest-1',
    ...overrides,
  };
}

/** As the gateway does: begins the install, or joins the one that runs, once its row is written. */
export async function beginInstall(
  client: Client,
  input: InstallExtensionInput = installInput(),
): Promise<WorkflowHandle<typeof installExtension>> {
  const startWorkflowOperation = new WithStartWorkflowOperation<typeof installExtension>('installExtension', {
    workflowId: installWorkflowId(input.tenantId, input.extensionId),
    taskQueue: LIFECYCLE_TASK_QUEUE,
    args: [input],
    workflowIdConflictPolicy: 'USE_EXISTING',
  });
  await client.workflow.executeUpdateWithStart(installOpenedUpdate, {
    args: [{ operation: 'install', digest: input.digest }],
    startWorkflowOperation,
  });
  return startWorkflowOperation.workflowHandle();
}

/** The same for a change of settings; answers once it is applied. */
export async function beginConfigure(
  client: Client,
  input: ConfigureInstallInput,
): Promise<WorkflowHandle<typeof configureInstall>> {
  const startWorkflowOperation = new WithStartWorkflowOperation<typeof configureInstall>('configureInstall', {
    workflowId: installWorkflowId(input.tenantId, input.extensionId),
    taskQueue: LIFECYCLE_TASK_QUEUE,
    args: [input],
    workflowIdConflictPolicy: 'USE_EXISTING',
  });
  await client.workflow.executeUpdateWithStart(installOpenedUpdate, {
    args: [{ operation: 'configure', digest: input.digest }],
    startWorkflowOperation,
  });
  return startWorkflowOperation.workflowHandle();
}
