import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  ParentClosePolicy,
  setHandler,
  sleep,
  startChild,
} from '@temporalio/workflow';
import type { LifecycleActivities } from '../activities/install-lifecycle.ts';
import type {
  InstallActivities,
  InstallStepRef,
  OpenInstallResult,
  RequestedCapability,
} from '../activities/installs.ts';
import { consentWorkflowId } from '../core/ids.ts';
import { INSTALL_STEPS, type InstallStatus, type InstallStepName } from '../core/progress.ts';
import { consentTitle } from '../core/titles.ts';
import { activities } from './activities.ts';
import { coversRequired, grantsFor } from './consent.ts';
import { failureReason, failureWithStory } from './failure-reason.ts';
import { answerOpened } from './install-operation.ts';
import {
  installProgressQuery,
  type AwaitConsent,
  type InstallExtensionInput,
  type InstallProgress,
} from './messages.ts';
import { createOpening } from './opening.ts';
import { OWN_DATABASE_UNDONE } from './own-database.ts';
import { PROBING } from './probing.ts';
import { describeWorkflow, installAttributes, searchable } from './search-attributes.ts';
import { createSteps } from './steps.ts';
import { createUndo } from './undo.ts';

const database = activities<InstallActivities>(OWN_DATABASE_UNDONE);
const { warmInstall, probeInstall } = activities<LifecycleActivities>(PROBING);

/** A wait that is only ending is gone by the last look. */
const FIRST_LOOK_MS = 100;
const LAST_LOOK_MS = 1_600;

/**
 * Brings one version of an extension to life in one tenant, or leaves nothing behind. Ends with `active` as a result, or with
 * `awaiting-consent` when a person has to decide first; a failure fails the workflow after everything is undone and the row shows
 * `failed` and why.
 */
export async function installExtension(input: InstallExtensionInput): Promise<InstallProgress> {
  const { versionId, draftId } = input;
  const ref = { tenantId: input.tenantId, installId: input.installId };
  const steps = createSteps(INSTALL_STEPS);
  const opening = createOpening();
  const undo = createUndo<InstallStepName>();
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

  /** The wait is there already when this is a repeat of the install that left it, begun before the row showed that it waits. */
  async function beginWait(requested: RequestedCapability[]): Promise<void> {
    for (let breakMs = FIRST_LOOK_MS; ; breakMs *= 2) {
      try {
        await startChild<AwaitConsent>('awaitConsent', {
          workflowId: consentWorkflowId(input.installId, versionId),
          args: [{ install: { ...input }, requested, steps: steps.list() }],
          parentClosePolicy: ParentClosePolicy.ABANDON,
          staticSummary: consentTitle(requested),
          typedSearchAttributes: searchable(installAttributes(input)),
        });
        return;
      } catch (err) {
        if (!(err instanceof WorkflowExecutionAlreadyStartedError)) throw err;
        if (breakMs > LAST_LOOK_MS) return;
        await sleep(breakMs, { summary: 'Look again whether an earlier wait for consent is ending' });
      }
    }
  }

  /** Leaves the decision to a workflow of its own, which starts this one again: an install that waits holds up nothing. */
  async function leaveToConsent(requested: RequestedCapability[]): Promise<void> {
    steps.begin('consent');
    steps.note(
      `Left to the workflow \`${consentWorkflowId(input.installId, versionId)}\`, which waits for an admin.`,
    );
    await CancellationScope.nonCancellable(async () => {
      await beginWait(requested);
      await database.waitForConsent({ ...shown(), versionId, requested });
    });
    enter('awaiting-consent');
  }

  async function bringToLife({ requested, health }: OpenInstallResult): Promise<void> {
    if (!coversRequired(requested, input.consent)) return leaveToConsent(requested);
    const grants = grantsFor(requested, input.consent);
    await step(
      'consent',
      () => database.grantCapabilities({ ...shown(), grants, grantedBy: input.requestedBy }),
      () => database.revokeCapabilities(ref),
    );
    await step(
      'configure',
      () => database.applyDraft({ ...shown(), draftId }),
      () => database.clearSettings(ref),
    );
    await step('warm', () => warmInstall({ ...shown(), versionId })); // a runner drops what it does not use
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
    await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  }
}
