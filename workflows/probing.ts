import type { ActivityOptions } from '@temporalio/workflow';
import { PROBE_TASK_QUEUE } from '../core/ids.ts';

/** Before the default, 3. */
const NEXT = 2;

/** For warm-ups, which take a runner's cores from calls that serve. */
export const WARMING = {
  taskQueue: PROBE_TASK_QUEUE,
  startToCloseTimeout: '4 minutes', // over the activity's own tries, so that it is the one to say what was late
  scheduleToCloseTimeout: '1 hour', // its turn behind a rush of installs; gives up on runners that stay away
  heartbeatTimeout: '8 seconds', // a killed worker is noticed this soon
  retry: { maximumInterval: '10 seconds' },
} as const satisfies ActivityOptions;

/**
 * The same for probes, before the warm-ups of others: what was warmed last is probed next. Behind them in a rush, its process would have
 * made way for theirs by then, and be started and loaded again.
 */
export const PROBING = { ...WARMING, priority: { priorityKey: NEXT } } as const satisfies ActivityOptions;
