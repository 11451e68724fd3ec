import type { WorkflowHandle } from '@temporalio/client';
import type { LifecycleEnvironment } from './lifecycle-environment.ts';

/** Not waited for when they are cancelled: whatever they did changes nothing. */
const PROBES = ['warmInstall', 'probeInstall', 'verifyVersion'];

/** Begins something, cancels a workflow while an activity of its is held, lets that go on, and answers once it has ended. */
export async function cancelAt(
  on: LifecycleEnvironment,
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
  if (!PROBES.includes(activity)) released.resolve(undefined);
  await handle.result().catch(() => undefined);
  released.resolve(undefined);
  await begun;
}
