import type { ActivityOptions } from '@temporalio/workflow';

/** For what waits: until another operation has undone itself, or until the calls that had begun have ended. */
export const STOPPING = {
  startToCloseTimeout: '10 minutes', // over the longest timeout of a call
  heartbeatTimeout: '8 seconds', // a killed worker is noticed this soon
  retry: { maximumInterval: '10 seconds' },
} as const satisfies ActivityOptions;
