import { CancellationScope } from '@temporalio/workflow';
import type { LifecycleActivities } from '../activities/install-lifecycle.ts';
import { activities } from './activities.ts';
import type { OperateInstallInput, OperationProgress } from './messages.ts';
import { OWN_DATABASE } from './own-database.ts';
import { runOperation } from './run-operation.ts';
import { STOPPING } from './stopping.ts';

const { disableInstall: disable } = activities<LifecycleActivities>(OWN_DATABASE);
const { cancelOperation, drainInstall } = activities<LifecycleActivities>(STOPPING);

/**
 * Stops calls at once, whatever else runs on the install; then has that undo itself, and waits for the calls that had begun. Nothing is
 * undone: whatever happens after the first step, an install that was to stop stays stopped.
 */
export async function disableInstall(input: OperateInstallInput): Promise<OperationProgress> {
  return runOperation('disable', input, async ({ step, opened }) => {
    await CancellationScope.nonCancellable(() => step('disable', (shown) => disable(shown)));
    opened();
    await step('cancel', (shown) => cancelOperation({ ...shown, extensionId: input.extensionId }));
    await step('drain', (shown) => drainInstall(shown));
  });
}
