import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  ParentClosePolicy,
  setCurrentDetails,
  setHandler,
  sleep,
  startChild,
} from '@temporalio/workflow';
import type { InstallActivities } from '../activities/installs.ts';
import { installWorkflowId } from '../core/ids.ts';
import type { InstallStatus } from '../core/progress.ts';
import { activities } from './activities.ts';
import { grantsText } from '../core/grant-text.ts';
import { operationTitle } from '../core/titles.ts';
import { refuseUnrequested, withRequired } from './consent.ts';
import {
  consentUpdate,
  type AwaitConsentInput,
  type ConsentDecision,
  type InstallExtension,
} from './messages.ts';
import { OWN_DATABASE_UNDONE } from './own-database.ts';
import { describeWorkflow, installAttributes, searchable } from './search-attributes.ts';

const { discardDraft, endInstall } = activities<InstallActivities>(OWN_DATABASE_UNDONE);

/** An admin has this long; then the install counts as declined. Its draft is held a day longer (platform/db/install-operations). */
const DECIDE_WITHIN_MS = 7 * 24 * 60 * 60 * 1_000;
/** Between two looks whether another operation still holds the install. */
const FIRST_TRY_MS = 100;
const LONGEST_BREAK_MS = 10_000;

/**
 * Waits for an admin's decision on what a version may do, beside whatever else runs on the install. A grant starts the operation that
 * waited; a refusal, a cancellation, or no decision in time ends the install as declined.
 */
export async function awaitConsent({
  install,
  requested,
  steps,
}: AwaitConsentInput): Promise<{ status: InstallStatus }> {
  const ref = { tenantId: install.tenantId, installId: install.installId };
  let decision: ConsentDecision | undefined;
  let status: InstallStatus = 'awaiting-consent';

  setHandler(
    consentUpdate,
    async (given) => {
      decision = given;
      await condition(() => status !== 'awaiting-consent');
      return { status };
    },
    {
      validator: (given: ConsentDecision) => {
        if (decision || status !== 'awaiting-consent') {
          throw ApplicationFailure.nonRetryable('the install does not wait for consent', 'STATE_CONFLICT');
        }
        refuseUnrequested(requested, given);
      },
    },
  );
  describeWorkflow({ ...installAttributes(install), ExtPhase: status });
  setCurrentDetails(waitText(install, requested));

  async function startOperation(granted: ConsentDecision): Promise<void> {
    const consent = withRequired(requested, granted);
    const input = { ...install, consent, requestedBy: granted.decidedBy };
    for (let breakMs = FIRST_TRY_MS; ; breakMs = Math.min(breakMs * 2, LONGEST_BREAK_MS)) {
      try {
        await startChild<InstallExtension>('installExtension', {
          workflowId: installWorkflowId(install.tenantId, install.extensionId),
          args: [input],
          parentClosePolicy: ParentClosePolicy.ABANDON,
          staticSummary: operationTitle('install', install),
          typedSearchAttributes: searchable(installAttributes(input)),
        });
        return;
      } catch (err) {
        if (!(err instanceof WorkflowExecutionAlreadyStartedError)) throw err;
        await sleep(breakMs, { summary: 'Another operation holds the install: its turn comes' });
      }
    }
  }

  try {
    await condition(() => decision !== undefined, DECIDE_WITHIN_MS, {
      summary: 'Until then an admin has to decide, else the install counts as declined',
    });
    if (decision?.decision === 'grant') {
      const granted = decision;
      // Not cancellable: the admin was told that it goes on.
      await CancellationScope.nonCancellable(() => startOperation(granted));
      status = 'installing';
    } else {
      await CancellationScope.nonCancellable(decline);
    }
    describeWorkflow({ ExtPhase: status });
    setCurrentDetails(decidedText(decision));
    return { status };
  } catch (err) {
    // Cancelled while it waited: the same as nobody deciding, or the row would wait for ever.
    await CancellationScope.nonCancellable(decline);
    throw err;
  } finally {
    await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  }

  async function decline(): Promise<void> {
    const endedAt = new Date().toISOString();
    const shown = steps.map((step) =>
      step.name === 'consent' ? { ...step, status: 'done' as const, endedAt } : step,
    );
    await endInstall({ ...ref, status: 'declined', steps: shown });
    await discardDraft({ ...ref, draftId: install.draftId });
    status = 'declined';
  }
}

function waitText(
  { extension, version, tenantId, installId }: AwaitConsentInput['install'],
  requested: AwaitConsentInput['requested'],
): string {
  const until = new Date(Date.now() + DECIDE_WITHIN_MS).toISOString();
  const optional = requested.filter((asked) => asked.optional);
  const required = requested.filter((asked) => !asked.optional);
  return [
    `**Waits for an admin of tenant ${tenantId}** to consent to what ${extension} ${version} asks for, until ${until}; after that the install counts as declined.`,
    `- required: ${grantsText(required)}\n- may be left out: ${grantsText(optional)}`,
    `What to do: \`POST /api/v1/installs/${installId}/consent\` with a key of that tenant, or nothing. Cancelling this workflow declines.`,
  ].join('\n\n');
}

function decidedText(decision: ConsentDecision | undefined): string {
  if (!decision) return '**Declined:** nobody decided in time.';
  const { decidedBy } = decision;
  return decision.decision === 'grant'
    ? `**Granted** by ${decidedBy}. The install goes on under its own workflow id.`
    : `**Declined** by ${decidedBy}.`;
}
