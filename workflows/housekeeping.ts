import { isCancellation, log, setCurrentDetails } from '@temporalio/workflow';
import type { HousekeepingActivities } from '../activities/housekeeping.ts';
import type { SweepActivities } from '../activities/sweeps.ts';
import { activities } from './activities.ts';
import { adviceFor } from '../core/advice.ts';
import { failureReason } from './failure-reason.ts';
import type { HousekeepingInput, HousekeepingResult, SweepName, SweepOutcome } from './messages.ts';
import { describeWorkflow } from './search-attributes.ts';

const { prepareExecutionPartitions } = activities<HousekeepingActivities>({
  startToCloseTimeout: '1 minute', // milliseconds, and a lock it gives up on after two seconds
  scheduleToCloseTimeout: '30 minutes', // the next run begins within the hour
  retry: { initialInterval: '5 seconds', maximumInterval: '1 minute' },
});

const sweeps = activities<SweepActivities>({
  startToCloseTimeout: '30 minutes', // the first one goes through everything there is
  heartbeatTimeout: '1 minute',
  // Whatever is not done is done by the next run; meanwhile the other sweeps shall have their turn.
  retry: { initialInterval: '5 seconds', maximumAttempts: 5 },
});

/**
 * What a Schedule of the same name runs. A sweep that fails keeps no other from running: the result says what became of each, and
 * `ExtPhase` says it in plain text.
 */
export async function housekeeping({ dryRun = false }: HousekeepingInput = {}): Promise<HousekeepingResult> {
  const swept: Partial<Record<SweepName, SweepOutcome>> = {};
  const attempt = async (name: SweepName, sweep: () => Promise<SweepOutcome>): Promise<void> => {
    try {
      swept[name] = await sweep();
    } catch (err) {
      if (isCancellation(err)) throw err;
      log.error('a part of housekeeping failed', { part: name, error: err });
      swept[name] = { error: failureReason(err) };
    }
  };

  let executionPartitions: string[] = [];
  await attempt('partitions', async () => {
    if (!dryRun) executionPartitions = (await prepareExecutionPartitions()).made;
    return { count: executionPartitions.length };
  });
  await attempt('trust', () => sweeps.sweepTrust({ dryRun }));
  // What ends rows goes before what removes what ended rows leave behind.
  await attempt('installs', () => sweeps.sweepInstalls({ dryRun }));
  await attempt('versions', () => sweeps.sweepVersions({ dryRun }));
  await attempt('publishes', () => sweeps.sweepPublishes({ dryRun }));
  await attempt('uploads', () => sweeps.sweepUploads({ dryRun }));
  await attempt('objects', () => sweeps.sweepObjects({ dryRun }));
  await attempt('drafts', () => sweeps.sweepDrafts({ dryRun }));
  await attempt('executions', () => sweeps.sweepExecutions({ dryRun }));
  await attempt('api-keys', () => sweeps.sweepApiKeys({ dryRun }));
  await attempt('records', () => sweeps.sweepRecords({ dryRun }));

  describeWorkflow({ ExtPhase: phaseOf(swept, dryRun) });
  setCurrentDetails(outcomeText(swept));
  return { executionPartitions, dryRun, swept };
}

/** Such as `done: installs 1, drafts 3`: for people who see the workflow in a list, and to find the runs that are `incomplete`. */
function phaseOf(swept: HousekeepingResult['swept'], dryRun: boolean): string {
  const outcomes = Object.entries(swept);
  const failed = outcomes.some(([, outcome]) => 'error' in outcome);
  const counts = outcomes.flatMap(([name, outcome]) => {
    if ('error' in outcome) return [`${name} failed`];
    return outcome.count > 0 ? [`${name} ${outcome.count}`] : [];
  });
  const what = counts.length > 0 ? counts.join(', ') : 'nothing';
  return `${dryRun ? 'dry run' : failed ? 'incomplete' : 'done'}: ${what}`;
}

function outcomeText(swept: HousekeepingResult['swept']): string {
  return Object.entries(swept)
    .map(([name, outcome]) =>
      'error' in outcome
        ? `- **${name} failed:** ${outcome.error.message} (${outcome.error.code}). What to do: ${adviceFor(outcome.error.code)}; the next run tries again.`
        : `- ${name}: ${outcome.count}`,
    )
    .join('\n');
}
