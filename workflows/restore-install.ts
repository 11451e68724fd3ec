import { CancellationScope } from '@temporalio/workflow';
import type { LifecycleActivities } from '../activities/install-lifecycle.ts';
import { activities } from './activities.ts';
import type { OperateInstallInput, OperationProgress } from './messages.ts';
import { OWN_DATABASE } from './own-database.ts';
import { PROBING, WARMING } from './probing.ts';
import { runOperation } from './run-operation.ts';
import { describeWorkflow } from './search-attributes.ts';
import { tellPurge } from './tell-purge.ts';

const { restoreInstall: restore, enableInstall: enable } = activities<LifecycleActivities>(OWN_DATABASE);
const { warmInstall } = activities<LifecycleActivities>(WARMING);
const { probeInstall } = activities<LifecycleActivities>(PROBING);

/**
 * Takes an uninstall back within its grace: the install becomes what it was. One that served stays disabled, with the reason, if its
 * version cannot be loaded any more or does not answer its probe. The purge finds in the row that there is nothing for it to do.
 */
export async function restoreInstall(input: OperateInstallInput): Promise<OperationProgress> {
  return runOperation('restore', input, async ({ step, opened }) => {
    const { versionId, version, contentHash, health, to } = await CancellationScope.nonCancellable(() =>
      step('restore', (shown) => restore(shown)),
    );
    opened();
    // Not cancellable: the install is no longer uninstalled, whatever becomes of the rest. The purge ends now and not in a week.
    await CancellationScope.nonCancellable(() => tellPurge(input.installId));
    describeWorkflow({ ExtVersion: version, ExtContentHash: contentHash });
    if (to !== 'active' && to !== 'paused') return; // it was held back before, and is again

    await step('warm', (shown) => warmInstall({ ...shown, versionId }));
    const probed = { versionId, ...(health !== undefined && { health }) };
    await step('probe', (shown) => probeInstall({ ...shown, ...probed }));
    await CancellationScope.nonCancellable(() =>
      step('enable', (shown) => enable({ ...shown, versionId, to })),
    );
  });
}
