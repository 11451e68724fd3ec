import { ActivityCancellationType, type ActivityOptions } from '@temporalio/workflow';

/**
 * For activities on our own database, which answers in milliseconds: ten seconds are plenty, and soon enough to try again when a worker
 * was killed. No overall limit: the row must come to show the end, and a roll-back must not give up, however long the database is away.
 */
export const OWN_DATABASE = {
  startToCloseTimeout: '10 seconds',
  retry: { maximumInterval: '10 seconds' },
} as const satisfies ActivityOptions;

/** The same where there is something to undo: a cancellation waits for the attempt under way, or it might land after its undo. */
export const OWN_DATABASE_UNDONE = {
  ...OWN_DATABASE,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
} as const satisfies ActivityOptions;
