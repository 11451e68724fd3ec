import { CancellationScope, getExternalWorkflowHandle } from '@temporalio/workflow';
import type { VersionChangeActivities } from '../activities/version-changes.ts';
import { consentWorkflowId, settingsWorkflowId } from '../core/ids.ts';
import { stepsWhenLost } from '../core/progress.ts';
import { consentTitle, settingsTitle } from '../core/titles.ts';
import { coversRequired } from './consent.ts';
import { failureReason } from './failure-reason.ts';
import type { OperationProgress, UpgradeInstallInput } from './messages.ts';
import { activities } from './activities.ts';
import { OWN_DATABASE_UNDONE } from './own-database.ts';
import { runOperation } from './run-operation.ts';
import { switchOver } from './switch-over.ts';
import { beginConsentWait, beginSettingsWait } from './waiting.ts';

const { openChange, stageUpgrade, leaveUpgrade, closeChange, withdrawUpgrade } =
  activities<VersionChangeActivities>(OWN_DATABASE_UNDONE);

/**
 * Puts another version in the place of the one that serves, which goes on serving until then, and again if the other fails. Where a
 * person has to agree to more permissions, or to give settings, the wait is left to a workflow of its own, which starts this one again.
 */
export async function upgradeInstall(input: UpgradeInstallInput): Promise<OperationProgress> {
  const { installId, versionId, draftId, digest, consent, narrowed, requestedBy } = input;

  return runOperation('upgrade', input, async (operation) => {
    const { step, undo, opened, leave } = operation;
    undo('open', (ref) => closeChange({ ...ref, draftId }));
    const { added, health } = await CancellationScope.nonCancellable(() =>
      step('open', (shown) =>
        openChange({ ...shown, kind: 'upgrade', versionId, digest }).catch(async (err: unknown) => {
          // It may have waited for a person, and cannot go on.
          const error = failureReason(err);
          const steps = stepsWhenLost(shown.steps, { error, at: new Date().toISOString() });
          await withdrawUpgrade({ ...shown, versionId, digest, draftId, steps, error });
          throw err;
        }),
      ),
    );
    opened();

    if (!coversRequired(added, consent, narrowed)) {
      const waitsAs = consentWorkflowId(installId, versionId);
      await leave('consent', waitsAs, async (shown) => {
        await beginConsentWait({
          operation: 'upgrade',
          install: input,
          requested: added,
          steps: shown.steps,
        });
        const left = { ...shown, versionId, waitingFor: 'consent', title: consentTitle(added) } as const;
        await leaveUpgrade(left).catch(takeBack(waitsAs));
      });
      return;
    }
    await step('consent', () => Promise.resolve({ attempts: 1 }));

    undo('configure', closeChange);
    const { needed } = await step('configure', (shown) =>
      stageUpgrade({ ...shown, draftId, consent, ...(narrowed && { narrowed }), grantedBy: requestedBy }),
    );
    if (needed.length > 0) {
      const waitsAs = settingsWorkflowId(installId, versionId);
      await leave('configure', waitsAs, async (shown) => {
        await beginSettingsWait({ operation: 'upgrade', install: input, needed, steps: shown.steps });
        const left = { ...shown, versionId, waitingFor: 'settings', title: settingsTitle(needed) } as const;
        await leaveUpgrade(left).catch(takeBack(waitsAs));
      });
      return;
    }
    await switchOver(operation, { versionId, health, draftId });
  });
}

/** Ends a wait that the row does not show, because another operation took the row meanwhile. */
function takeBack(workflowId: string): (err: unknown) => Promise<never> {
  return async (err) => {
    await getExternalWorkflowHandle(workflowId).cancel();
    throw err;
  };
}
