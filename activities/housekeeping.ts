import type { ExecutionPartitionStore } from '../platform/db/execution-partitions.ts';

/** The housekeeping worker may be away this long before executions land in the default partition. */
const AHEAD_DAYS = 14;
const DAY_MS = 24 * 60 * 60 * 1000;

export interface HousekeepingDeps {
  partitions: ExecutionPartitionStore;
  /** How long the execution log is kept. */
  executionDays: number;
}

export type HousekeepingActivities = ReturnType<typeof createHousekeepingActivities>;

/** What is done on a schedule. Each may run again at any time and then finds nothing to do. */
export function createHousekeepingActivities({ partitions, executionDays }: HousekeepingDeps) {
  return {
    /** Makes the days of the execution log ahead of time, and drops those that are kept no longer; answers the names of both. */
    async prepareExecutionPartitions(): Promise<{ made: string[]; dropped: string[] }> {
      const made = await partitions.prepare(new Date(Date.now() + AHEAD_DAYS * DAY_MS));
      return { made, dropped: await partitions.dropBefore(new Date(Date.now() - executionDays * DAY_MS)) };
    },
  };
}
