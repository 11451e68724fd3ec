import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  setCurrentDetails,
  setHandler,
} from '@temporalio/workflow';
import type { InstallActivities } from '../activities/installs.ts';
import type { InstallStatus } from '../core/progress.ts';
import { activities } from './activities.ts';
import { settingsUpdate, type AwaitSettingsInput, type SettingsDecision } from './messages.ts';
import { OWN_DATABASE_UNDONE } from './own-database.ts';
import { describeWorkflow, installAttributes } from './search-attributes.ts';
import { declineWaiting, DECIDE_WITHIN_MS, goOn } from './waiting.ts';

const { revokeCapabilities } = activities<InstallActivities>(OWN_DATABASE_UNDONE);

/**
 * Waits until an admin has given the settings that a version needs; they are in its draft by then. Beside whatever else runs on the
 * install. A refusal, a cancellation, or nobody giving them in time ends it as declined.
 */
export async function awaitSettings(input: AwaitSettingsInput): Promise<{ status: InstallStatus }> {
  const { operation, install, steps } = input;
  let decision: SettingsDecision | undefined;
  let status: InstallStatus = 'awaiting-settings';

  setHandler(
    settingsUpdate,
    async (given) => {
      decision = given;
      await condition(() => status !== 'awaiting-settings');
      return { status };
    },
    {
      validator: (given: SettingsDecision) => {
        if (!decision && status === 'awaiting-settings') return;
        const what = `the install does not wait for settings that are ${given.decision}`;
        throw ApplicationFailure.nonRetryable(what, 'STATE_CONFLICT');
      },
    },
  );
  describeWorkflow({ ...installAttributes(install), ExtPhase: status });
  setCurrentDetails(waitText(input));
  const decline = async (): Promise<void> => {
    await declineWaiting(operation, install, steps);
    // Of an upgrade nothing was granted yet.
    const { tenantId, installId } = install;
    if (operation === 'install') await revokeCapabilities({ tenantId, installId });
    status = 'declined';
  };

  try {
    await condition(() => decision !== undefined, DECIDE_WITHIN_MS, {
      summary: 'Until then an admin has to give the settings, else it counts as declined',
    });
    // Not cancellable: the admin was told that it goes on.
    await CancellationScope.nonCancellable(async () => {
      if (decision?.decision !== 'given') return decline();
      await goOn(operation, install);
      status = 'installing';
    });
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
}

function waitText({ install, needed }: AwaitSettingsInput): string {
  const { extension, version, tenantId, installId } = install;
  const until = new Date(Date.now() + DECIDE_WITHIN_MS).toISOString();
  return [
    `**Waits for an admin of tenant ${tenantId}** to give the settings that ${extension} ${version} needs, until ${until}; after that it counts as declined.`,
    needed.map((path) => `- ${path}`).join('\n'),
    `What to do: \`PUT /api/v1/installs/${installId}/config\` and \`…/secrets\` with a key of that tenant, or nothing. Cancelling this workflow declines.`,
  ].join('\n\n');
}

function decidedText(decision: SettingsDecision | undefined): string {
  if (!decision) return '**Declined:** nobody gave the settings in time.';
  return decision.decision === 'given'
    ? `**Given**, the last one by ${decision.decidedBy}. It goes on under the install's own workflow id.`
    : `**Declined** by ${decision.decidedBy}.`;
}
