import { CancellationScope } from '@temporalio/workflow';
import type { LifecycleActivities } from '../activities/install-lifecycle.ts';
import type { VersionChangeActivities } from '../activities/version-changes.ts';
import { activities } from './activities.ts';
import { OWN_DATABASE_UNDONE } from './own-database.ts';
import { PROBING, WARMING } from './probing.ts';
import type { Operation } from './run-operation.ts';

const { switchVersion, finishChange, switchBack } = activities<VersionChangeActivities>(OWN_DATABASE_UNDONE);
const { verifyVersion } = activities<VersionChangeActivities>(PROBING);
const { warmInstall } = activities<LifecycleActivities>(WARMING);
const { probeInstall } = activities<LifecycleActivities>(PROBING);

/**
 * Puts the version that was opened in the place of the one that serves: probes it where no calls are, switches, asks it again the way
 * calls find it. From a failure after the switch on the version before serves again.
 */
export async function switchOver(
  { step, undo }: Operation<'warm' | 'probe' | 'switch' | 'verify' | 'finish'>,
  { versionId, health, draftId }: { versionId: string; health: string | undefined; draftId?: string },
): Promise<void> {
  const probed = health === undefined ? {} : { health };
  await step('warm', (shown) => warmInstall({ ...shown, versionId }));
  // A version without a health endpoint was probed by being instantiated.
  await step('probe', (shown) => probeInstall({ ...shown, versionId, ...probed }));
  undo('switch', switchBack);
  await CancellationScope.nonCancellable(() => step('switch', (shown) => switchVersion(shown)));
  await step('verify', (shown) => verifyVersion({ ...shown, ...probed }));
  const draft = draftId === undefined ? {} : { draftId };
  await CancellationScope.nonCancellable(() =>
    step('finish', (shown) => finishChange({ ...shown, ...draft })),
  );
}
