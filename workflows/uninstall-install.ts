import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { CancellationScope, ParentClosePolicy, setHandler, sleep, startChild } from '@temporalio/workflow';
import type { LifecycleActivities } from '../activities/install-lifecycle.ts';
import { purgeWorkflowId } from '../core/ids.ts';
import { purgeTitle } from '../core/titles.ts';
import { activities } from './activities.ts';
import {
  purgeNowSignal,
  type OperateInstallInput,
  type OperationProgress,
  type PurgeInstall,
  type UninstallInstallInput,
} from './messages.ts';
import { OWN_DATABASE } from './own-database.ts';
import { runOperation } from './run-operation.ts';
import { installAttributes, searchable } from './search-attributes.ts';
import { STOPPING } from './stopping.ts';
import { tellPurge } from './tell-purge.ts';

const { stopInstall, uninstallInstall: uninstall } = activities<LifecycleActivities>(OWN_DATABASE);
const { cancelOperation, drainInstall } = activities<LifecycleActivities>(STOPPING);

/**
 * Ends an install, whatever runs on it: stops calls at once, has what runs undo itself, waits for the calls that had begun. What it holds
 * stays until the grace is over, and is removed by a workflow of its own. Like a disable it undoes nothing.
 */
export async function uninstallInstall(input: UninstallInstallInput): Promise<OperationProgress> {
  const { extensionId } = input;
  let now = input.purgeNow ?? false;
  setHandler(purgeNowSignal, () => void (now = true));

  return runOperation('uninstall', input, async ({ step, opened }) => {
    const stopped = await CancellationScope.nonCancellable(() => step('stop', (shown) => stopInstall(shown)));
    opened();
    await step('cancel', (shown) => cancelOperation({ ...shown, extensionId, ...stopped.waits }));
    await step('drain', (shown) => drainInstall({ ...shown, goesOn: true }));
    await CancellationScope.nonCancellable(async () => {
      await step('uninstall', (shown) => uninstall({ ...shown, purgeNow: now }));
      await beginPurge(input);
    });
  });
}

/** One that is there from an uninstall that was restored looks at the row again; if it ends before it hears of that, another begins. */
async function beginPurge(install: OperateInstallInput): Promise<void> {
  while (!(await startPurge(install)) && !(await tellPurge(install.installId))) {
    await sleep('1 second', { summary: 'Begin the purge once the one before has ended' });
  }
}

/** Whether it was started: false where one is there. */
async function startPurge(install: OperateInstallInput): Promise<boolean> {
  const { tenantId, installId } = install;
  try {
    await startChild<PurgeInstall>('purgeInstall', {
      workflowId: purgeWorkflowId(installId),
      args: [{ tenantId, installId }],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      staticSummary: purgeTitle(install),
      typedSearchAttributes: searchable(installAttributes(install)),
    });
    return true;
  } catch (err) {
    if (err instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw err;
  }
}
