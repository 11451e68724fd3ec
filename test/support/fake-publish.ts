import { randomUUID } from 'node:crypto';
import { WithStartWorkflowOperation, type Client, type WorkflowHandle } from '@temporalio/client';
import type { ArtifactActivities } from '../../activities/artifacts.ts';
import type { BundleActivities } from '../../activities/bundles.ts';
import type { PrecompileActivities } from '../../activities/precompile.ts';
import type { RegistryActivities } from '../../activities/registry.ts';
import type { UploadActivities } from '../../activities/uploads.ts';
import type { VerificationActivities } from '../../activities/verification.ts';
import { LIFECYCLE_TASK_QUEUE, publishWorkflowId } from '../../core/ids.ts';
import type { Check } from '../../core/progress.ts';
import { publishOpenedUpdate, type PublishBundleInput } from '../../workflows/messages.ts';
import type { publishBundle } from '../../workflows/publish-bundle.ts';
import { scriptActivities, type ActivityScript } from './activity-script.ts';

type PublishActivities = UploadActivities &
  VerificationActivities &
  BundleActivities &
  PrecompileActivities &
  ArtifactActivities &
  RegistryActivities;

export const CONTENT_HASH = `sha256:${'cd'.repeat(32)}`;
export const ARTIFACT = {
  target: 'jco-test',
  sha256: 'ef'.repeat(32),
  sizeBytes: 2000,
  keyId: `sha256:${'12'.repeat(32)}`,
};
export const REGISTERED = {
  versionId: randomUUID(),
  extensionId: randomUUID(),
  version: '1.0.0',
  attempts: 1,
};

export const passed = (name: string): Check => ({ name, result: 'passed', required: true });

/** Activities of a publish that goes well. */
export function fakePublishActivities(): ActivityScript<PublishActivities> {
  return scriptActivities<PublishActivities>({
    openPublish: () => ({ contentHash: CONTENT_HASH, sizeBytes: 1000 }),
    endPublish: () => undefined,
    removeStaging: () => undefined,
    verifyBundle: () => ({
      checks: [passed('archive'), passed('version')],
      found: { extension: 'alga.hello', version: '1.0.*' },
      attempts: 1,
    }),
    inspectComponent: () => ({ checks: [passed('component')], target: ARTIFACT.target, attempts: 1 }),
    promoteBundle: () => ({ attempts: 1 }),
    precompileBundle: () => ({ artifact: ARTIFACT, attempts: 1 }),
    recordArtifact: () => undefined,
    countOutdatedBundles: () => 0,
    listOutdatedBundles: () => [],
    registerVersion: () => REGISTERED,
  });
}

/** As the gateway does: begins the publish and waits until its row is taken. */
export async function beginPublish(
  client: Client,
  input: PublishBundleInput = { tenantId: randomUUID(), uploadId: randomUUID(), requestedBy: 'key' },
): Promise<WorkflowHandle<typeof publishBundle>> {
  const startWorkflowOperation = new WithStartWorkflowOperation<typeof publishBundle>('publishBundle', {
    workflowId: publishWorkflowId(input.uploadId),
    taskQueue: LIFECYCLE_TASK_QUEUE,
    args: [input],
    workflowIdConflictPolicy: 'USE_EXISTING',
  });
  await client.workflow.executeUpdateWithStart(publishOpenedUpdate, { startWorkflowOperation });
  return startWorkflowOperation.workflowHandle();
}
