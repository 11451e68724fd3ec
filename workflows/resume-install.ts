import { CancellationScope } from '@temporalio/workflow';
import type { LifecycleActivities } from '../activities/install-lifecycle.ts';
import { activities } from './activities.ts';
import type { OperateInstallInput, OperationProgress } from './messages.ts';
import { OWN_DATABASE } from './own-database.ts';
import { runOperation } from './run-operation.ts';

const { resumeInstall: resume } = activities<LifecycleActivities>(OWN_DATABASE);

/** Serves calls again that were held back. One transaction: there is nothing to undo. */
export async function resumeInstall(input: OperateInstallInput): Promise<OperationProgress> {
  return runOperation('resume', input, async ({ step }) => {
    // Not cancellable: what is one transaction is done or not, and its answer must say which.
    await CancellationScope.nonCancellable(() => step('resume', (shown) => resume(shown)));
  });
}
