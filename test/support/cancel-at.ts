import type { Client, WorkflowHandle } from '@temporalio/client';
import { holdActivity } from './hold-activity.ts';
import type { WatchedActivities } from './watched-activities.ts';

/** Not waited for by a workflow that is cancelled meanwhile: whatever they do late takes nothing of its end back. */
const LEFT_ALONE = [
  ...['warmInstall', 'probeInstall', 'verifyVersion'],
  ...['verifyBundle', 'inspectComponent', 'promoteBundle'],
  ...['precompileBundle', 'recordArtifact', 'countOutdatedBundles', 'listOutdatedBundles'],
  ...['judgeVersions', 'tellInstalls', 'reportTrust'],
  ...[
    'prepareExecutionPartitions',
    'sweepTrust',
    'sweepInstalls',
    'sweepVersions',
    'sweepPublishes',
    'sweepUploads',
  ],
  ...['sweepObjects', 'sweepDrafts', 'sweepExecutions', 'sweepApiKeys', 'sweepRecords'],
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
  const held = holdActivity(on, activity);
  const begun = begin().catch(() => undefined);
  await held.reached;
  const { workflowId, runId } = await workflow().describe();
  const handle = on.client.workflow.getHandle(workflowId, runId);
  await handle.cancel();
  if (!LEFT_ALONE.includes(activity)) held.release();
  await handle.result().catch(() => undefined);
  held.release();
  await begun;
  await on.landed();
}
