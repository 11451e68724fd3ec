import { executionQueries } from './executions.ts';
import type { HotQuery } from './hot-query.ts';
import { housekeepingQueries } from './housekeeping.ts';
import { installQueries } from './installs.ts';
import { recordQueries } from './records.ts';
import { accessQueries, registryQueries } from './registry.ts';

/** Every query of the stores, on a call's way first. */
export function hotQueries(): HotQuery[] {
  return [
    ...accessQueries(),
    ...installQueries(),
    ...executionQueries(),
    ...recordQueries(),
    ...registryQueries(),
    ...housekeepingQueries(),
  ];
}
