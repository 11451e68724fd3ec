import type { ActivityOptions } from '@temporalio/workflow';
import { PROBE_TASK_QUEUE } from '../core/ids.ts';

/** For warm-ups and probes, which take a runner's cores from calls that serve. */
export const PROBING = {
  taskQueue: PROBE_TASK_QUEUE,
  startToCloseTimeout: '4 minutes', // over the activity's own tries, so that it is the one to say what was late
  scheduleToCloseTimeout: '1 hour', // its turn behind a rush of installs; gives up on runners that stay away
  heartbeatTimeout: '8 seconds', // a killed worker is noticed this soon
  retry: { maximumInterval: '10 seconds' },
} as const satisfies ActivityOptions;
