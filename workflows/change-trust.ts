import {
  allHandlersFinished,
  CancellationScope,
  condition,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { TrustActivities } from '../activities/trust.ts';
import { activities } from './activities.ts';
import {
  trustChangedUpdate,
  trustProgressQuery,
  type ToldInstalls,
  type TrustPass,
  type TrustProgress,
} from './messages.ts';
import { createOpening } from './opening.ts';
import { OWN_DATABASE } from './own-database.ts';
import { describeWorkflow } from './search-attributes.ts';
import { tellAll } from './tell-all.ts';

const { reportTrust } = activities<TrustActivities>(OWN_DATABASE);
const { judgeVersions } = activities<TrustActivities>({
  startToCloseTimeout: '10 minutes', // the envelopes of a page from a slow store
  heartbeatTimeout: '8 seconds', // a killed worker is noticed this soon
  retry: { maximumInterval: '10 seconds' },
});

export interface TrustChange {
  /** For people. */
  phase: string;
  requestedBy?: string;
  /** Keys whose versions are judged before the others. */
  first?: readonly string[];
  change?: () => Promise<void>;
  /** Only the versions of this content are judged, before anybody is told that the change was made. */
  contentHash?: string;
  /** Of an earlier run, which has made the change. */
  pass: TrustPass | undefined;
  /** Goes on in a new run. */
  again: (pass: TrustPass) => Promise<never>;
}

/**
 * Changes what is trusted, and holds everything that is published against it: what fails is quarantined, what holds again is released.
 * What it does is decided by the rows, so that several changes at once do no harm, and one that was cut off is made up for by the next.
 */
export async function changeTrust(options: TrustChange): Promise<TrustProgress> {
  const { phase, requestedBy, first = [], change, contentHash, pass, again } = options;
  const opening = createOpening();
  const progress = pass?.progress ?? { versions: 0, quarantined: 0, released: 0, installs: 0, left: 0 };
  let revision = pass?.revision ?? 0;
  setHandler(trustProgressQuery, () => progress);
  setHandler(trustChangedUpdate, () => opening.settled());
  describeWorkflow({ ExtPhase: phase, ...(requestedBy !== undefined && { ExtRequestedBy: requestedBy }) });

  const goOn = (telling?: TrustPass['telling']): Promise<never> =>
    again({ progress, revision, ...(telling && { telling }) });
  const tell = async (versionIds: readonly string[], after?: ToldInstalls['after']): Promise<void> => {
    const { installs } = progress;
    progress.installs = await tellAll(versionIds, { installs, ...(after && { after }) }, (told) => {
      progress.installs = told.installs;
      return goOn({ versionIds, ...(told.after && { after: told.after }) });
    });
  };

  try {
    // Not cancellable: what is one transaction is done or not, and its answer must say which.
    if (!pass && change) await CancellationScope.nonCancellable(change);
    if (pass || contentHash === undefined) opening.succeeded();
    if (pass?.telling) await tell(pass.telling.versionIds, pass.telling.after);
    let isJudged = pass !== undefined && progress.left === 0;
    while (!isJudged) {
      const page = await judgeVersions({ first, ...(contentHash !== undefined && { contentHash }) });
      opening.succeeded();
      revision = page.revision;
      progress.versions += page.judged;
      progress.quarantined += page.quarantined.length;
      progress.released += page.released.length;
      progress.left = page.left;
      await tell([...page.quarantined, ...page.released]);
      setCurrentDetails(progressText(progress));
      isJudged = page.left === 0;
      if (!isJudged && workflowInfo().continueAsNewSuggested) await goOn();
    }
    const { versions, quarantined, released, installs } = progress;
    const counts = { versions, quarantined, released, installs };
    const { workflowId } = workflowInfo();
    if (contentHash === undefined)
      await reportTrust({ ...counts, revision, workflowId, endedAt: new Date().toISOString() });
    describeWorkflow({ ExtPhase: `${phase}: done` });
    return progress;
  } catch (err) {
    opening.failed(err);
    throw err;
  } finally {
    await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  }
}

function progressText({ versions, quarantined, released, installs, left }: TrustProgress): string {
  return `**Versions:** ${versions} judged, ${left} left, ${quarantined} quarantined, ${released} released, with ${installs} installs`;
}
