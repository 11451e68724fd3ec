import { allHandlersFinished, CancellationScope, condition, setHandler } from '@temporalio/workflow';
import type { LifecycleActivities } from '../activities/install-lifecycle.ts';
import type {
  InstallActivities,
  InstallStepRef,
  OpenInstallResult,
  RequestedCapability,
} from '../activities/installs.ts';
import { consentWorkflowId, settingsWorkflowId } from '../core/ids.ts';
import { INSTALL_STEPS, type InstallStatus, type InstallStepName } from '../core/progress.ts';
import { activities } from './activities.ts';
import { coversRequired, grantsFor } from './consent.ts';
import { failureReason, failureWithStory } from './failure-reason.ts';
import { answerOpened } from './install-operation.ts';
import { installProgressQuery, type InstallExtensionInput, type InstallProgress } from './messages.ts';
import { createOpening } from './opening.ts';
import { OWN_DATABASE_UNDONE } from './own-database.ts';
import { PROBING, WARMING } from './probing.ts';
import { describeWorkflow, installAttributes } from './search-attributes.ts';
import { createSteps } from './steps.ts';
import { createUndo } from './undo.ts';
import { beginConsentWait, beginSettingsWait } from './waiting.ts';

const database = activities<InstallActivities>(OWN_DATABASE_UNDONE);
const { warmInstall } = activities<LifecycleActivities>(WARMING);
const { probeInstall } = activities<LifecycleActivities>(PROBING);

/**
 * Brings one version of an extension to life in one tenant, or leaves nothing behind. Ends with `active` as a result, or with
 * `awaiting-consent` or `awaiting-settings` when a person has to decide first; a failure fails the workflow after everything is undone and
 * the row shows `failed` and why.
 */
export async function installExtension(input: InstallExtensionInput): Promise<InstallProgress> {
  const { versionId, draftId } = input;
  const ref = { tenantId: input.tenantId, installId: input.installId };
  const steps = createSteps(INSTALL_STEPS);
  const opening = createOpening();
  const undo = createUndo<InstallStepName>();
  const warming = new CancellationScope();
  let status: InstallStatus = 'installing';

  const progress = (): InstallProgress => {
    const step = steps.current();
    return { status, ...(step && { step }), steps: steps.list() };
  };
  const enter = (next: InstallStatus): void => {
    status = next;
    describeWorkflow({ ExtPhase: next });
  };
  const shown = (): InstallStepRef & { kind: 'install' } => ({
    ...ref,
    kind: 'install',
    steps: steps.list(),
  });

  setHandler(installProgressQuery, progress);
  answerOpened('install', input, opening);
  describeWorkflow({ ...installAttributes(input), ExtPhase: status });

  /** Runs one step. What undoes it is there before it: one that was cut off may still have worked. */
  async function step<Result extends { attempts: number }>(
    name: InstallStepName,
    run: () => Promise<Result>,
    takeBack?: () => Promise<void>,
  ): Promise<Result> {
    if (takeBack) undo.register(name, takeBack);
    steps.begin(name);
    const result = await steps.attempt(run);
    steps.done();
    return result;
  }

  /** Leaves the decision to a workflow of its own, which starts this one again: an install that waits holds up nothing. */
  async function leaveToConsent(requested: RequestedCapability[]): Promise<void> {
    steps.begin('consent');
    steps.note(
      `Left to the workflow \`${consentWorkflowId(input.installId, versionId)}\`, which waits for an admin.`,
    );
    await CancellationScope.nonCancellable(async () => {
      await beginConsentWait({ operation: 'install', install: input, requested, steps: steps.list() });
      await database.waitForConsent({ ...shown(), versionId, requested });
    });
    enter('awaiting-consent');
  }

  /** The same of settings that nobody has given yet. What was granted stays, as what was given does in the draft. */
  async function leaveToSettings(needed: string[]): Promise<void> {
    steps.begin('configure');
    steps.note(
      `Left to the workflow \`${settingsWorkflowId(input.installId, versionId)}\`, which waits for an admin.`,
    );
    await CancellationScope.nonCancellable(async () => {
      await beginSettingsWait({ operation: 'install', install: input, needed, steps: steps.list() });
      await database.waitForSettings({ ...shown(), versionId, needed });
    });
    enter('awaiting-settings');
  }

  async function bringToLife({ requested, health }: OpenInstallResult): Promise<void> {
    if (!coversRequired(requested, input.consent, input.narrowed)) return leaveToConsent(requested);
    const grants = grantsFor(requested, input.consent, input.narrowed);
    // Needs nothing of what is granted and configured, and takes longer than both: under way beside them. Its failure is heard at its step.
    const loading = warming.run(() => warmInstall({ ...ref, versionId })); // a runner drops what it does not use
    loading.catch(() => undefined);
    await step(
      'consent',
      () => database.grantCapabilities({ ...shown(), grants, grantedBy: input.requestedBy }),
      () => database.revokeCapabilities(ref),
    );
    const { needed } = await step(
      'configure',
      () => database.applyDraft({ ...shown(), draftId }),
      () => database.clearSettings(ref),
    );
    if (needed) return leaveToSettings(needed);
    await step('warm', () => loading);
    await step('probe', () =>
      // A version without a health endpoint was probed by being instantiated.
      health === undefined
        ? Promise.resolve({ attempts: 1 })
        : probeInstall({ ...shown(), versionId, health }),
    );
    await step(
      'activate',
      () => CancellationScope.nonCancellable(() => database.activateInstall({ ...shown(), versionId })),
      () => database.deactivateInstall(ref),
    );
    enter('active');
  }

  async function end(err: unknown): Promise<void> {
    const error = failureReason(err);
    steps.fail(error);
    await CancellationScope.nonCancellable(async () => {
      await undo.rollBack(steps);
      // A row of another install is not touched.
      await database.endInstall({ ...ref, status: 'failed', error, steps: steps.list() });
    });
    enter('failed');
  }

  try {
    const opened = await step(
      'open',
      // Not cancellable, so that a failure means that the row was not taken: it stays as it is, another install's perhaps.
      () =>
        CancellationScope.nonCancellable(() => {
          const { extensionId, digest } = input;
          return database.openInstall({ ...shown(), extensionId, versionId, digest });
        }),
      () => database.discardDraft({ ...ref, draftId }),
    );
    opening.succeeded();
    await bringToLife(opened);
    return progress();
  } catch (err) {
    await end(err);
    opening.failed(err);
    throw failureWithStory(err, steps.list());
  } finally {
    warming.cancel(); // of an install that needs it no more
    await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  }
}
