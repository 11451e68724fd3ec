import { randomUUID } from 'node:crypto';
import type { Client, WorkflowHandle } from '@temporalio/client';
import type { ArtifactActivities } from '../../activities/artifacts.ts';
import type { BundleActivities } from '../../activities/bundles.ts';
import type { PrecompileActivities } from '../../activities/precompile.ts';
import type { RegistryActivities } from '../../activities/registry.ts';
import type { UploadActivities } from '../../activities/uploads.ts';
import type { VerificationActivities, VerifiedBundle } from '../../activities/verification.ts';
import { createWorkflowStarter } from '../../api/workflow-starter.ts';
import { publishWorkflowId } from '../../core/ids.ts';
import type { Check } from '../../core/progress.ts';
import type { PublishBundleInput } from '../../workflows/messages.ts';
import type { publishBundle } from '../../workflows/publish-bundle.ts';
import { scriptActivities, type ActivityScript } from './activity-script.ts';

type PublishActivities = UploadActivities &
  VerificationActivities &
  BundleActivities &
  PrecompileActivities &
  ArtifactActivities &
  RegistryActivities;

export const CONTENT_HASH = `sha256:${'cd'.repeat(32)}`;
export const VERIFIED: VerifiedBundle = {
  pin: randomUUID(),
  contentHash: CONTENT_HASH,
  sizeBytes: 1000,
  manifest: { sha256: '01'.repeat(32), size: 100 },
  component: { sha256: '02'.repeat(32), size: 500 },
};
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
    openPublish: () => ({ contentHash: CONTENT_HASH }),
    abortUpload: () => undefined,
    endPublish: () => undefined,
    removeStaging: () => undefined,
    verifyBundle: () => ({
      checks: [passed('archive'), passed('version')],
      found: { extension: 'alga.hello', version: '1.0.*' },
      contentHash: CONTENT_HASH,
      inspect: { contentHash: CONTENT_HASH, pin: VERIFIED.pin },
      bundle: VERIFIED,
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

export function publishInput(fields: Partial<PublishBundleInput> = {}): PublishBundleInput {
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
  return { tenantId: randomUUID(), uploadId: randomUUID(), requestedBy: 'key', expiresAt, ...fields };
}

/** Longer than a gateway waits: its client would ask again. */
const WORKERS_START_WITHIN_MS = 60_000;

/** As the gateway does: begins the publish of an upload, finalizes it, and waits until its row is taken. */
export async function beginPublish(
  client: Client,
  input: PublishBundleInput = publishInput(),
): Promise<WorkflowHandle<typeof publishBundle>> {
  const starter = createWorkflowStarter(client, { openWithinMs: WORKERS_START_WITHIN_MS });
  await starter.beginPublish(input);
  await starter.finalizePublish(input, {});
  return client.workflow.getHandle<typeof publishBundle>(publishWorkflowId(input.uploadId));
}
