import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  setCurrentDetails,
  setHandler,
} from '@temporalio/workflow';
import type { InstallStatus } from '../core/progress.ts';
import { grantsText } from '../core/grant-text.ts';
import { refuseUnrequested, withRequired } from './consent.ts';
import { consentUpdate, type AwaitConsentInput, type ConsentDecision } from './messages.ts';
import { describeWorkflow, installAttributes } from './search-attributes.ts';
import { declineWaiting, DECIDE_WITHIN_MS, goOn } from './waiting.ts';

/**
 * Waits for an admin's decision on what a version may do, beside whatever else runs on the install. A grant starts the operation that
 * waited; a refusal, a cancellation, or no decision in time ends it as declined.
 */
export async function awaitConsent({
  operation,
  install,
  requested,
  steps,
}: AwaitConsentInput): Promise<{ status: InstallStatus }> {
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
    // Of an upgrade more may be asked for than was shown: what was declined before stays so.
    const shown = operation === 'upgrade' ? requested.map(({ capability }) => capability) : undefined;
    const consent = withRequired(requested, { ...(shown && { capabilities: shown }), ...granted });
    const narrowed = [...(granted.narrowed ?? []), ...(install.narrowed ?? [])];
    await goOn(operation, { ...install, consent, narrowed, requestedBy: granted.decidedBy });
  }

  try {
    await condition(() => decision !== undefined, DECIDE_WITHIN_MS, {
      summary: 'Until then an admin has to decide, else it counts as declined',
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
    await declineWaiting(operation, install, steps);
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
    `**Waits for an admin of tenant ${tenantId}** to consent to what ${extension} ${version} asks for, until ${until}; after that it counts as declined.`,
    `- required: ${grantsText(required)}\n- may be left out: ${grantsText(optional)}`,
    `What to do: \`POST /api/v1/installs/${installId}/consent\` with a key of that tenant, or nothing. Cancelling this workflow declines.`,
  ].join('\n\n');
}

function decidedText(decision: ConsentDecision | undefined): string {
  if (!decision) return '**Declined:** nobody decided in time.';
  const { decidedBy } = decision;
  return decision.decision === 'grant'
    ? `**Granted** by ${decidedBy}. It goes on under the install's own workflow id.`
    : `**Declined** by ${decidedBy}.`;
}
