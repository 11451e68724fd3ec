import { allHandlersFinished, CancellationScope, condition, setCurrentDetails } from '@temporalio/workflow';
import type { InstallActivities } from '../activities/installs.ts';
import { adviceFor } from '../core/advice.ts';
import { grantsText } from '../core/grant-text.ts';
import { activities } from './activities.ts';
import { failureReason } from './failure-reason.ts';
import { answerOpened } from './install-operation.ts';
import type { NarrowGrantsInput } from './messages.ts';
import { createOpening } from './opening.ts';
import { OWN_DATABASE } from './own-database.ts';
import { describeWorkflow, installAttributes } from './search-attributes.ts';

const { narrowGrants: narrow } = activities<InstallActivities>(OWN_DATABASE);

/** Leaves less of an install's grants, from its next call on. One transaction: there is nothing to undo. */
export async function narrowGrants(input: NarrowGrantsInput): Promise<void> {
  const { tenantId, installId, grants, requestedBy: grantedBy } = input;
  const opening = createOpening();
  answerOpened('narrow', input, opening);
  describeWorkflow({ ...installAttributes(input), ExtPhase: 'narrow: running' });
  try {
    // Not cancellable: what is one transaction is done or not, and its answer must say which.
    const left = await CancellationScope.nonCancellable(() =>
      narrow({ tenantId, installId, grants, grantedBy }),
    );
    opening.succeeded();
    describeWorkflow({ ExtPhase: 'narrow: done' });
    setCurrentDetails(`**Done:** what is left is ${grantsText(left.grants)}.`);
  } catch (err) {
    const { code, message } = failureReason(err);
    opening.failed(err);
    describeWorkflow({ ExtPhase: 'narrow: failed' });
    setCurrentDetails(
      `**Failed:** ${message} (${code}). Nothing was changed. What to do: ${adviceFor(code)}.`,
    );
    throw err;
  } finally {
    await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  }
}
