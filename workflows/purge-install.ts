import { condition, setCurrentDetails, setHandler, sleep } from '@temporalio/workflow';
import type { PurgeActivities } from '../activities/purge.ts';
import { activities } from './activities.ts';
import { purgeChangedSignal, purgeNowSignal, type PurgeInstallInput } from './messages.ts';
import { OWN_DATABASE } from './own-database.ts';
import { describeWorkflow } from './search-attributes.ts';

const { readPurge, hastenPurge, beginPurge, finishPurge } = activities<PurgeActivities>(OWN_DATABASE);
const { purgeExecutions, purgeRecords } = activities<PurgeActivities>({
  startToCloseTimeout: '1 hour', // millions of executions, in small batches
  heartbeatTimeout: '8 seconds', // a killed worker is noticed this soon
  retry: { maximumInterval: '10 seconds' },
});

/**
 * Removes what an uninstalled install holds once its grace is over. The row says when, and whether at all: an install that was restored
 * has nothing to purge.
 */
export async function purgeInstall(input: PurgeInstallInput): Promise<'purged' | 'kept'> {
  const ref = { tenantId: input.tenantId, installId: input.installId };
  /** What signals said since the row was read. */
  const told = new Set<'changed' | 'now'>();
  setHandler(purgeChangedSignal, () => void told.add('changed'));
  setHandler(purgeNowSignal, () => void told.add('now'));
  describeWorkflow({ ExtTenantId: input.tenantId, ExtPhase: 'purge: waiting' });

  for (;;) {
    const isHastened = told.has('now');
    told.clear();
    if (isHastened) await hastenPurge(ref);
    const { purgeAt } = await readPurge(ref);
    if (told.size > 0) continue; // it was uninstalled anew, perhaps, after that was read
    if (purgeAt === undefined) {
      describeWorkflow({ ExtPhase: 'purge: nothing to purge' });
      setCurrentDetails('**Nothing to purge:** the install was restored, or purged before.');
      return 'kept';
    }
    const waitMs = Date.parse(purgeAt) - Date.now();
    setCurrentDetails(
      `**Waits until ${purgeAt}.** Until then the install can be restored, or purged by \`DELETE …?purge=now\`.`,
    );
    const grace = { summary: 'The grace in which the install can be restored' };
    if (waitMs > 0 && (await condition(() => told.size > 0, waitMs, grace))) continue;
    // Decided in the database: from here on it cannot be restored.
    if ((await beginPurge(ref)).begun) break;
    await sleep('1 second', { summary: 'Look at the row again' }); // restored a moment ago, or the database's clock is behind ours
  }
  describeWorkflow({ ExtPhase: 'purge: running' });
  setCurrentDetails('**Removes** executions, records and settings. The install can no longer be restored.');
  // Executions first: a guest that is still at work somewhere may write no record once its execution is gone.
  await purgeExecutions(ref);
  await purgeRecords(ref);
  await finishPurge(ref);
  describeWorkflow({ ExtPhase: 'purge: done' });
  setCurrentDetails('**Done:** nothing of the install is left but its row.');
  return 'purged';
}
