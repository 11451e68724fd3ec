import { proxyActivities } from '@temporalio/workflow';
import type { HousekeepingActivities } from '../activities/housekeeping.ts';

const { prepareExecutionPartitions } = proxyActivities<HousekeepingActivities>({
  startToCloseTimeout: '1 minute', // milliseconds, and a lock it gives up on after two seconds
  scheduleToCloseTimeout: '30 minutes', // the next run begins within the hour
  retry: { initialInterval: '5 seconds', maximumInterval: '1 minute' },
});

/** What a Schedule of the same name runs every hour. */
export async function housekeeping(): Promise<{ executionPartitions: string[] }> {
  const { made } = await prepareExecutionPartitions();
  return { executionPartitions: made };
}
