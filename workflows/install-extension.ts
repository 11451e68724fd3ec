import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  ParentClosePolicy,
  patched,
  proxyActivities,
  setHandler,
  sleep,
  startChild,
} from '@temporalio/workflow';
import type { InstallActivities, OpenInstallResult, RequestedCapability } from '../activities/installs.ts';
import type { RunnerActivities } from '../activities/runners.ts';
import {
  INSTALL_STEPS,
  type FailureReason,
  type InstallStatus,
  type InstallStepName,
} from '../core/progress.ts';
import { consentWorkflowId, PROBE_TASK_QUEUE } from '../core/ids.ts';
import { consentOf, coversRequired, grantsFor, refuseUnrequested, type Consent } from './consent.ts';
import { failureReason } from './failure-reason.ts';
import { answerOpened } from './install-operation.ts';
import {
  consentUpdate,
  installProgressQuery,
  type AwaitConsent,
  type ConsentDecision,
  type InstallExtensionInput,
  type InstallProgress,
} from './messages.ts';
import { createOpening } from './opening.ts';
import { describeWorkflow } from './search-attributes.ts';
import { OWN_DATABASE_UNDONE } from './own-database.ts';
import { createSteps } from './steps.ts';
import { createUndo } from './undo.ts';

const database = proxyActivities<InstallActivities>(OWN_DATABASE_UNDONE);

const { warmVersion, probeVersion } = proxyActivities<RunnerActivities>({
  taskQueue: PROBE_TASK_QUEUE,
  startToCloseTimeout: '4 minutes', // over the activity's own tries, so that it is the one to say what was late
  scheduleToCloseTimeout: '1 hour', // its turn behind a rush of installs; gives up on runners that stay away
  heartbeatTimeout: '8 seconds', // a killed worker is noticed this soon
  retry: { maximumInterval: '10 seconds' },
});

/** Installs that began without it wait for consent within themselves. */
const CONSENT_APART = 'consent-in-a-workflow-of-its-own';
/** Installs that began without it fail when the wait is there. */
const JOINS_WAIT = 'joins-the-wait-for-consent';
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
  let requested: RequestedCapability[] = [];
  let decision: ConsentDecision | undefined;

  const progress = (): InstallProgress => {
    const step = steps.current();
    return { status, ...(step && { step }), steps: steps.list() };
  };
  const enter = (next: InstallStatus): void => {
    status = next;
    describeWorkflow({ ExtPhase: next });
  };
  const save = (running: 'installing' | 'awaiting-consent'): Promise<void> =>
    database.saveInstallProgress({ ...ref, status: running, steps: steps.list() });
  const next = (step: InstallStepName): Promise<void> => {
    steps.done();
    steps.begin(step);
    return save('installing');
  };

  setHandler(installProgressQuery, progress);
  answerOpened('install', input, opening);
  setHandler(
    consentUpdate,
    async (given) => {
      decision = given;
      await condition(() => status !== 'awaiting-consent');
      return { status };
    },
    {
      validator: (given: ConsentDecision) => {
        if (status !== 'awaiting-consent' || decision) {
          throw ApplicationFailure.nonRetryable('the install does not wait for consent', 'STATE_CONFLICT');
        }
        refuseUnrequested(requested, given);
      },
    },
  );

  /** The wait is there already when this is a repeat of the install that left it, begun before the row showed that it waits. */
  async function beginWait(): Promise<void> {
    for (let breakMs = FIRST_LOOK_MS; ; breakMs *= 2) {
      try {
        await startChild<AwaitConsent>('awaitConsent', {
          workflowId: consentWorkflowId(input.installId, versionId),
          args: [{ install: { ...input }, requested, steps: steps.list() }],
          parentClosePolicy: ParentClosePolicy.ABANDON,
        });
        return;
      } catch (err) {
        if (!(err instanceof WorkflowExecutionAlreadyStartedError) || !patched(JOINS_WAIT)) throw err;
        if (breakMs > LAST_LOOK_MS) return;
        await sleep(breakMs);
      }
    }
  }

  /** Leaves the decision to a workflow of its own, which starts this one again: an install that waits holds up nothing. */
  async function leaveToConsent(): Promise<void> {
    await CancellationScope.nonCancellable(async () => {
      await beginWait();
      await database.waitForConsent({ ...ref, versionId, steps: steps.list() });
    });
    enter('awaiting-consent');
  }

  /** How installs that began before `leaveToConsent` wait: within themselves. Undefined if the admin declined. */
  async function obtainConsent(): Promise<{ consent: Consent; by: string } | undefined> {
    enter('awaiting-consent'); // before the row says so: who reads it there may answer at once
    await save('awaiting-consent');
    await condition(() => decision !== undefined);
    return decision?.decision === 'grant'
      ? { consent: consentOf(decision), by: decision.decidedBy }
      : undefined;
  }

  async function bringToLife(
    health: OpenInstallResult['health'],
  ): Promise<'active' | 'awaiting-consent' | 'declined'> {
    steps.begin('consent');
    let given: { consent: Consent; by: string } | undefined;
    if (coversRequired(requested, input.consent)) given = { consent: input.consent, by: input.requestedBy };
    else if (patched(CONSENT_APART)) {
      await leaveToConsent();
      return 'awaiting-consent';
    } else given = await obtainConsent();
    if (!given) {
      steps.done();
      return 'declined';
    }
    undo.register('consent', () => database.revokeCapabilities(ref));
    const grants = grantsFor(requested, given.consent);
    await steps.attempt(() => database.grantCapabilities({ ...ref, grants, grantedBy: given.by }));

    await next('configure');
    if (status !== 'installing') enter('installing');
    undo.register('configure', () => database.clearSettings(ref));
    await steps.attempt(() => database.applyDraft({ ...ref, draftId }));

    await next('warm'); // nothing to undo: a runner drops what it does not use
    await steps.attempt(() => warmVersion({ ...ref, versionId }));

    await next('probe'); // a version without a health endpoint was probed by being instantiated
    if (health) await steps.attempt(() => probeVersion({ ...ref, versionId, health }));

    await next('activate');
    undo.register('activate', () => database.deactivateInstall(ref));
    await CancellationScope.nonCancellable(() =>
      steps.attempt(() => database.activateInstall({ ...ref, versionId, steps: steps.whenDone() })),
    );
    steps.done();
    return 'active';
  }

  async function end(
    outcome: { status: 'declined' } | { status: 'failed'; error: FailureReason },
  ): Promise<void> {
    await CancellationScope.nonCancellable(async () => {
      for (const step of await undo.rollBack()) steps.undone(step);
      await database.endInstall({ ...ref, ...outcome, steps: steps.list() });
    });
    enter(outcome.status);
  }

  describeWorkflow({
    ExtTenantId: input.tenantId,
    ExtExtensionId: input.extensionId,
    ExtVersion: input.version,
    ExtContentHash: input.contentHash,
    ExtPhase: status,
  });
  steps.begin('open');
  undo.register('open', () => database.discardDraft({ ...ref, draftId }));
  let opened: OpenInstallResult;
  try {
    // Not cancellable, so that a failure means that the row was not taken: it stays as it is, another install's perhaps.
    opened = await CancellationScope.nonCancellable(() =>
      steps.attempt(() =>
        database.openInstall({
          ...ref,
          extensionId: input.extensionId,
          versionId,
          digest: input.digest,
          steps: steps.list(),
        }),
      ),
    );
  } catch (err) {
    // A row of its own that waited for this is ended with it; another install's is not touched.
    if (patched(CONSENT_APART)) await end({ status: 'failed', error: failureReason(err) });
    else await CancellationScope.nonCancellable(() => undo.rollBack());
    opening.failed(err);
    await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
    throw err;
  }
  steps.done();
  requested = opened.requested;
  opening.succeeded();

  try {
    const outcome = await bringToLife(opened.health);
    if (outcome === 'active') enter('active');
    else if (outcome === 'declined') await end({ status: 'declined' });
    return progress();
  } catch (err) {
    const error = failureReason(err);
    steps.fail(error);
    await end({ status: 'failed', error });
    throw err;
  } finally {
    await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  }
}
