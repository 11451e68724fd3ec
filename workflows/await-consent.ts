import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  ParentClosePolicy,
  proxyActivities,
  setHandler,
  sleep,
  startChild,
} from '@temporalio/workflow';
import type { InstallActivities } from '../activities/installs.ts';
import { installWorkflowId } from '../core/ids.ts';
import type { InstallStatus } from '../core/progress.ts';
import { refuseUnrequested, withRequired } from './consent.ts';
import {
  consentUpdate,
  type AwaitConsentInput,
  type ConsentDecision,
  type InstallExtension,
} from './messages.ts';
import { OWN_DATABASE_UNDONE } from './own-database.ts';
import { describeWorkflow } from './search-attributes.ts';

const { discardDraft, endInstall } = proxyActivities<InstallActivities>(OWN_DATABASE_UNDONE);

/** An admin has this long; then the install counts as declined. Its draft is held a day longer (platform/db/install-operations). */
const DECIDE_WITHIN = '7 days';
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
  describeWorkflow({
    ExtTenantId: install.tenantId,
    ExtExtensionId: install.extensionId,
    ExtVersion: install.version,
    ExtContentHash: install.contentHash,
    ExtPhase: status,
  });

  async function startOperation(granted: ConsentDecision): Promise<void> {
    const consent = withRequired(requested, granted);
    const input = { ...install, consent, requestedBy: granted.decidedBy };
    for (let breakMs = FIRST_TRY_MS; ; breakMs = Math.min(breakMs * 2, LONGEST_BREAK_MS)) {
      try {
        await startChild<InstallExtension>('installExtension', {
          workflowId: installWorkflowId(install.tenantId, install.extensionId),
          args: [input],
          parentClosePolicy: ParentClosePolicy.ABANDON,
        });
        return;
      } catch (err) {
        if (!(err instanceof WorkflowExecutionAlreadyStartedError)) throw err;
        await sleep(breakMs);
      }
    }
  }

  try {
    await condition(() => decision !== undefined, DECIDE_WITHIN);
    if (decision?.decision === 'grant') {
      const granted = decision;
      // Not cancellable: the admin was told that it goes on.
      await CancellationScope.nonCancellable(() => startOperation(granted));
      status = 'installing';
    } else {
      await CancellationScope.nonCancellable(decline);
    }
    describeWorkflow({ ExtPhase: status });
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
