import { workflowInfo } from '@temporalio/workflow';
import type { TrustActivities } from '../activities/trust.ts';
import { activities } from './activities.ts';
import type { ToldInstalls } from './messages.ts';
import { OWN_DATABASE } from './own-database.ts';

const { tellInstalls } = activities<TrustActivities>(OWN_DATABASE);

/**
 * Has every install that serves one of the versions show what became of it, a page at a time. Answers how many were told, those before
 * included; where the history gets long, `again` goes on in a new run.
 */
export async function tellAll(
  versionIds: readonly string[],
  { installs, after }: ToldInstalls,
  again: (told: ToldInstalls) => Promise<never>,
): Promise<number> {
  if (versionIds.length === 0) return installs;
  let told = installs;
  let page = await tellInstalls({ versionIds, ...(after && { after }) });
  while (page.after) {
    told += page.told;
    if (workflowInfo().continueAsNewSuggested) await again({ installs: told, after: page.after });
    page = await tellInstalls({ versionIds, after: page.after });
  }
  return told;
}
