import { ScheduleAlreadyRunning, ScheduleOverlapPolicy, type Client } from '@temporalio/client';
import { LIFECYCLE_TASK_QUEUE } from '../core/ids.ts';
import { HOUSEKEEPING_TITLE } from '../core/titles.ts';

const HOUSEKEEPING = 'housekeeping';

/** Makes the Schedule that runs housekeeping every hour, and at once the first time. One that is there stays as it is, paused or not. */
export async function ensureHousekeepingSchedule({ schedule }: Client): Promise<void> {
  try {
    await schedule.create({
      scheduleId: HOUSEKEEPING,
      spec: { intervals: [{ every: '1 hour' }] },
      // After an outage one run makes up for all that were missed.
      policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1 hour' },
      state: { triggerImmediately: true },
      action: {
        type: 'startWorkflow',
        workflowType: HOUSEKEEPING,
        workflowId: HOUSEKEEPING,
        taskQueue: LIFECYCLE_TASK_QUEUE,
        staticSummary: HOUSEKEEPING_TITLE,
      },
    });
  } catch (err) {
    if (!(err instanceof ScheduleAlreadyRunning)) throw err;
  }
}
