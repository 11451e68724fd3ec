import type { Client, WorkflowHandle } from '@temporalio/client';
import type { WatchedActivities } from './watched-activities.ts';

/** Not waited for by a workflow that is cancelled meanwhile: whatever they do late takes nothing of its end back. */
const LEFT_ALONE = [
  ...['warmInstall', 'probeInstall', 'verifyVersion'],
  ...['verifyBundle', 'inspectComponent', 'promoteBundle'],
  ...['precompileBundle', 'recordArtifact', 'countOutdatedBundles', 'listOutdatedBundles'],
  ...['prepareExecutionPartitions', 'sweepInstalls', 'sweepVersions', 'sweepPublishes', 'sweepUploads'],
  ...['sweepObjects', 'sweepDrafts', 'sweepExecutions', 'sweepApiKeys'],
];

/**
 * Begins something, cancels a workflow while an activity is held, lets that go on, and answers once the workflow has ended and the
 * activity has landed.
 */
export async function cancelAt(
  on: WatchedActivities & { client: Client },
  activity: string,
  workflow: () => WorkflowHandle,
  begin: () => Promise<unknown>,
): Promise<void> {
  const reached = Promise.withResolvers<undefined>();
  const released = Promise.withResolvers<undefined>();
  on.before = async (called) => {
    if (called !== activity) return;
    reached.resolve(undefined);
    await released.promise;
  };
  const begun = begin().catch(() => undefined);
  await reached.promise;
  const { workflowId, runId } = await workflow().describe();
  const handle = on.client.workflow.getHandle(workflowId, runId);
  await handle.cancel();
  if (!LEFT_ALONE.includes(activity)) released.resolve(undefined);
  await handle.result().catch(() => undefined);
  released.resolve(undefined);
  await begun;
  await on.landed();
}
