import { CancellationScope } from '@temporalio/workflow';
import type { LifecycleActivities } from '../activities/install-lifecycle.ts';
import { activities } from './activities.ts';
import type { OperateInstallInput, OperationProgress } from './messages.ts';
import { OWN_DATABASE } from './own-database.ts';
import { PROBING, WARMING } from './probing.ts';
import { runOperation } from './run-operation.ts';
import { describeWorkflow } from './search-attributes.ts';

const { openOperation, enableInstall: enable } = activities<LifecycleActivities>(OWN_DATABASE);
const { warmInstall } = activities<LifecycleActivities>(WARMING);
const { probeInstall } = activities<LifecycleActivities>(PROBING);

/** Lets a disabled install serve again, once its version has shown that it still can. Until the last step it stays disabled. */
export async function enableInstall(input: OperateInstallInput): Promise<OperationProgress> {
  return runOperation('enable', input, async ({ step, opened }) => {
    const { versionId, version, contentHash, health } = await CancellationScope.nonCancellable(() =>
      step('open', (shown) => openOperation({ ...shown, from: ['disabled'] })),
    );
    opened();
    describeWorkflow({ ExtVersion: version, ExtContentHash: contentHash });

    await step('warm', (shown) => warmInstall({ ...shown, versionId }));
    // A version without a health endpoint was probed by being instantiated.
    await step('probe', (shown) =>
      probeInstall({ ...shown, versionId, ...(health !== undefined && { health }) }),
    );
    await CancellationScope.nonCancellable(() => step('enable', (shown) => enable({ ...shown, versionId })));
  });
}
