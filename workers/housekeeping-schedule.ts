import {
  ScheduleAlreadyRunning,
  ScheduleOverlapPolicy,
  type Client,
  type ScheduleOptions,
} from '@temporalio/client';
import { LIFECYCLE_TASK_QUEUE } from '../core/ids.ts';
import { HOUSEKEEPING_TITLE } from '../core/titles.ts';
import type { Logger } from '../platform/logger.ts';

const HOUSEKEEPING = 'housekeeping';

const DEFINITION: Omit<ScheduleOptions, 'scheduleId' | 'state'> = {
  spec: { intervals: [{ every: '1 hour' }] },
  // After an outage one run makes up for all that were missed.
  policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1 hour' },
  action: {
    type: 'startWorkflow',
    workflowType: HOUSEKEEPING,
    workflowId: HOUSEKEEPING,
    taskQueue: LIFECYCLE_TASK_QUEUE,
    staticSummary: HOUSEKEEPING_TITLE,
  },
};

/**
 * Makes the Schedule that runs housekeeping every hour, and at once the first time. One that is there becomes this release's, its summary
 * encrypted by this process's key, and stays paused if somebody has paused it.
 */
export async function ensureHousekeepingSchedule({ schedule }: Client, logger: Logger): Promise<void> {
  try {
    await schedule.create({
      ...DEFINITION,
      scheduleId: HOUSEKEEPING,
      state: { triggerImmediately: true },
    });
  } catch (err) {
    if (!(err instanceof ScheduleAlreadyRunning)) throw err;
    await schedule
      .getHandle(HOUSEKEEPING)
      .update(({ state }) => ({ ...DEFINITION, state }))
      // Without the key of its summary, for one. Everything else of this worker goes on.
      .catch((cause: unknown) => {
        logger.error({ err: cause }, 'the Schedule of housekeeping stays as it was: it could not be updated');
      });
  }
}
