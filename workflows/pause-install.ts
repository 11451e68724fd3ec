import { CancellationScope } from '@temporalio/workflow';
import type { LifecycleActivities } from '../activities/install-lifecycle.ts';
import { activities } from './activities.ts';
import type { OperateInstallInput, OperationProgress } from './messages.ts';
import { OWN_DATABASE } from './own-database.ts';
import { runOperation } from './run-operation.ts';

const { pauseInstall: pause } = activities<LifecycleActivities>(OWN_DATABASE);

/** Has calls refused with a hint to come again, until an admin resumes. One transaction: there is nothing to undo. */
export async function pauseInstall(input: OperateInstallInput): Promise<OperationProgress> {
  return runOperation('pause', input, async ({ step }) => {
    // Not cancellable: what is one transaction is done or not, and its answer must say which.
    await CancellationScope.nonCancellable(() => step('pause', (shown) => pause(shown)));
  });
}
