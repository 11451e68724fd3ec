import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  log,
  setHandler,
} from '@temporalio/workflow';
import type { BundleActivities } from '../activities/bundles.ts';
import type { PrecompileActivities } from '../activities/precompile.ts';
import type { RegistryActivities } from '../activities/registry.ts';
import type { PublishStepRef, ReceivedBundle, UploadActivities } from '../activities/uploads.ts';
import type { Verdict, VerificationActivities } from '../activities/verification.ts';
import { PRECOMPILE_TASK_QUEUE, VERIFY_TASK_QUEUE } from '../core/ids.ts';
import { PUBLISH_STEPS, type Check, type PublishStatus } from '../core/progress.ts';
import { activities } from './activities.ts';
import { failureReason, failureWithStory } from './failure-reason.ts';
import {
  publishOpenedUpdate,
  publishProgressQuery,
  type PublishBundleInput,
  type PublishProgress,
} from './messages.ts';
import { createOpening } from './opening.ts';
import { precompileOnce } from './precompile-once.ts';
import { OWN_DATABASE } from './own-database.ts';
import { withFault } from './publish-faults.ts';
import { describeWorkflow } from './search-attributes.ts';
import { createSteps } from './steps.ts';

const { openPublish, endPublish, registerVersion } = activities<UploadActivities & RegistryActivities>(
  OWN_DATABASE,
);

const { removeStaging } = activities<UploadActivities>({
  startToCloseTimeout: '30 seconds',
  scheduleToCloseTimeout: '10 minutes', // what is left in staging then stays there
});

const { verifyBundle, promoteBundle } = activities<VerificationActivities & BundleActivities>({
  taskQueue: VERIFY_TASK_QUEUE,
  startToCloseTimeout: '10 minutes', // 200 MiB from a slow store
  scheduleToCloseTimeout: '2 hours', // waits in the queue behind a rush of publishes; gives up on a store that stays away
  heartbeatTimeout: '8 seconds', // a killed worker is noticed this soon
  retry: { maximumInterval: '10 seconds' },
});

const { inspectComponent } = activities<PrecompileActivities>({
  taskQueue: PRECOMPILE_TASK_QUEUE,
  startToCloseTimeout: '30 minutes', // two tries at a large component on a slow machine; each has a tighter limit of its own
  scheduleToCloseTimeout: '2 hours', // waits in the queue behind a rush of publishes, and for a worker to come back
  heartbeatTimeout: '8 seconds',
  retry: { maximumInterval: '1 minute' }, // a component that the tool crashes on must not keep the workers busy
});

/**
 * Makes an uploaded bundle a version of its extension, or says why not. Ends with `published` or `rejected` as a result; a fault of the
 * platform fails the workflow after the row shows `failed`.
 */
export async function publishBundle(input: PublishBundleInput): Promise<PublishProgress> {
  const ref = { tenantId: input.tenantId, uploadId: input.uploadId };
  const steps = createSteps(PUBLISH_STEPS);
  const opening = createOpening();
  let checks: Check[] = [];
  let status: PublishStatus = 'uploading';

  const progress = (): PublishProgress => {
    const step = steps.current();
    return { status, ...(step && { step }), steps: steps.list(), checks };
  };
  setHandler(publishProgressQuery, progress);
  setHandler(publishOpenedUpdate, async () => {
    await opening.settled();
    return { status };
  });

  const enter = (next: PublishStatus): void => {
    status = next;
    describeWorkflow({ ExtPhase: next });
  };
  const shown = (): PublishStepRef => ({ ...ref, steps: steps.list(), checks });
  const judge = (verdict: Verdict): void => {
    checks = [...checks, ...verdict.checks];
    if (verdict.found) {
      const { extension, version } = verdict.found;
      describeWorkflow({ ExtName: extension, ExtVersion: version });
      steps.note(`The bundle is ${extension} ${version}.`);
    }
    if (verdict.fault) throw ApplicationFailure.nonRetryable(verdict.fault.message, verdict.fault.code);
  };

  describeWorkflow({ ExtTenantId: input.tenantId, ExtRequestedBy: input.requestedBy });
  steps.begin('verify');
  let received: ReceivedBundle;
  try {
    // Not cancellable, so that a failure means that the upload was not taken: its row and its bytes stay as they are.
    received = await CancellationScope.nonCancellable(() => openPublish({ ...ref, steps: steps.list() }));
  } catch (err) {
    opening.failed(err);
    await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
    throw err;
  }
  const { contentHash, sizeBytes } = received;
  describeWorkflow({ ExtContentHash: contentHash });
  enter('verifying');
  opening.succeeded();

  try {
    judge(await steps.attempt(() => verifyBundle({ ...ref, contentHash })));
    const inspection = await steps.attempt(() => inspectComponent({ ...ref, contentHash }));
    judge(inspection);
    steps.done();

    // Needs no undo, nor does precompile: what they write is named by its content and may be another version's too.
    steps.begin('promote');
    await steps.attempt(() => promoteBundle({ ...shown(), contentHash, sizeBytes }));
    steps.done();

    enter('precompiling');
    steps.begin('precompile');
    const { target } = inspection;
    const { artifact } = await steps.attempt(() =>
      precompileOnce({ contentHash, target }, { fairnessKey: input.tenantId }),
    );
    steps.done();

    enter('registering');
    steps.begin('register');
    // Not cancellable: the version may exist already when the cancellation arrives, and a version is for ever.
    await CancellationScope.nonCancellable(async () => {
      const { extensionId, version } = await steps.attempt(() =>
        registerVersion({ ...shown(), contentHash, sizeBytes, artifact }),
      );
      steps.done();
      describeWorkflow({ ExtExtensionId: extensionId, ExtVersion: version });
    });
    enter('published');
    return progress();
  } catch (err) {
    const error = failureReason(err);
    steps.fail(error);
    const judged = withFault(checks, error);
    checks = judged ?? checks;
    const end = judged ? 'rejected' : 'failed';
    await CancellationScope.nonCancellable(() => endPublish({ ...shown(), status: end, error }));
    enter(end);
    if (!judged) throw failureWithStory(err, steps.list());
    return progress();
  } finally {
    await CancellationScope.nonCancellable(async () => {
      // The publish has ended either way, so this must not decide how.
      await removeStaging(ref).catch((err: unknown) => log.warn('staging was not removed', { error: err }));
      await condition(allHandlersFinished);
    });
  }
}
