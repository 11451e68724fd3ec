import {
  CancellationScope,
  continueAsNew,
  isCancellation,
  setCurrentDetails,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { ArtifactActivities } from '../activities/artifacts.ts';
import { activities } from './activities.ts';
import { adviceFor } from '../core/advice.ts';
import { failureReason } from './failure-reason.ts';
import { recompileProgressQuery, type RecompileInput, type RecompileProgress } from './messages.ts';
import { precompileOnce } from './precompile-once.ts';
import { describeWorkflow } from './search-attributes.ts';

const { countOutdatedBundles, listOutdatedBundles } = activities<ArtifactActivities>({
  startToCloseTimeout: '1 minute', // reads every version, in the order in which tenants take turns
  retry: { maximumInterval: '1 minute' },
});

const AT_ONCE = 4;
const PAGE = 50;
/** While keys change, a worker that still has the old one may take a task: what it signed is found outdated in the next pass. */
const PASSES = 5;
const FIRST_PAUSE_MS = 60_000;
/** Enough to see what is wrong, and a small result. */
const FAILURES_SHOWN = 20;
/** Behind publishes, which have the default of 3. */
const LAST = 5;

/**
 * Brings every live bundle to the target and the key: those with installs first, tenants in turn, a few at once. Done when none is
 * left, or after the last pass over what keeps failing; the result says which.
 */
export async function recompileAll(input: RecompileInput): Promise<RecompileProgress> {
  const { target, keyId, atOnce = AT_ONCE } = input;
  const progress: RecompileProgress = input.progress ?? {
    pass: 1,
    left: 0,
    done: 0,
    failed: 0,
    failures: [],
  };
  let after = input.after;
  setHandler(recompileProgressQuery, () => progress);
  const end = (phase: 'recompiled' | 'incomplete'): RecompileProgress => {
    describeWorkflow({ ExtPhase: phase });
    return progress;
  };

  for (;;) {
    progress.left = await countOutdatedBundles({ target, keyId });
    setCurrentDetails(progressText(progress));
    if (progress.left === 0) return end('recompiled');
    const page = await listOutdatedBundles({ target, keyId, limit: PAGE, ...(after && { after }) });
    await takeTurns(page, atOnce, async ({ contentHash, tenantId }) => {
      try {
        await precompileOnce({ contentHash, target }, { priorityKey: LAST, fairnessKey: tenantId });
        progress.done += 1;
      } catch (err) {
        // Only its own: one precompile that an operator cancelled is one that was not made.
        if (isCancellation(err) && CancellationScope.current().consideredCancelled) throw err;
        progress.failed += 1;
        const failure = { contentHash, ...failureReason(err) };
        progress.failures = [failure, ...progress.failures].slice(0, FAILURES_SHOWN);
      }
    });
    after = page.at(-1)?.position;
    if (after === undefined) {
      if (progress.pass === PASSES) return end('incomplete');
      await sleep(FIRST_PAUSE_MS * 2 ** (progress.pass - 1), {
        summary: 'Before the next pass over what is left',
      });
      progress.pass += 1;
    }
    if (workflowInfo().continueAsNewSuggested) {
      await continueAsNew<typeof recompileAll>({ target, keyId, atOnce, progress, ...(after && { after }) });
    }
  }
}

function progressText({ pass, left, done, failed, failures }: RecompileProgress): string {
  const failing = failures.map(
    ({ contentHash, code, message }) => `- ${contentHash}: ${message} (${code}). ${adviceFor(code)}`,
  );
  return [`**Pass ${pass}:** ${left} left, ${done} made, ${failed} failed`, ...failing].join('\n');
}

async function takeTurns<Item>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const waiting = items.values();
  const line = async (): Promise<void> => {
    for (const item of waiting) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, line));
}
