import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  isCancellation,
  log,
  setHandler,
} from '@temporalio/workflow';
import type { BundleActivities } from '../activities/bundles.ts';
import type { PrecompileActivities } from '../activities/precompile.ts';
import type { RegistryActivities } from '../activities/registry.ts';
import type { PublishStepRef, ReceivedBundle, UploadActivities } from '../activities/uploads.ts';
import type { VerificationActivities, VerifiedBundle } from '../activities/verification.ts';
import { PRECOMPILE_TASK_QUEUE, VERIFY_TASK_QUEUE } from '../core/ids.ts';
import { PUBLISH_STEPS, type Check, type PublishStatus } from '../core/progress.ts';
import { activities } from './activities.ts';
import { awaitUpload } from './await-upload.ts';
import { failureReason, failureWithStory } from './failure-reason.ts';
import { publishProgressQuery, type PublishBundleInput, type PublishProgress } from './messages.ts';
import { precompileOnce } from './precompile-once.ts';
import { OWN_DATABASE } from './own-database.ts';
import { withFault } from './publish-faults.ts';
import { describeWorkflow } from './search-attributes.ts';
import { createSteps } from './steps.ts';

const { endPublish, registerVersion } = activities<UploadActivities & RegistryActivities>(OWN_DATABASE);

const { removeStaging } = activities<UploadActivities>({
  startToCloseTimeout: '30 seconds',
  scheduleToCloseTimeout: '10 minutes', // what is left in staging then stays there until the sweep
  heartbeatTimeout: '8 seconds', // a killed worker is noticed this soon
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

/** Of a bundle that is refused anyway: its publisher hears what else is wrong, if that can be told soon. */
const { inspectComponent: inspectRefused } = activities<PrecompileActivities>({
  taskQueue: PRECOMPILE_TASK_QUEUE,
  scheduleToCloseTimeout: '1 minute',
  heartbeatTimeout: '8 seconds',
  retry: { maximumAttempts: 1 },
});

const COMPONENT_NOT_LOOKED_AT: Check[] = [
  { name: 'component', result: 'skipped', required: true, detail: 'the bundle is refused for other reasons' },
];

/**
 * An upload and its publish: makes the bundle a version of its extension, or says why not. Ends with `published`, `rejected` or `aborted`
 * as a result; a fault of the platform fails the workflow after the row shows `failed`.
 */
export async function publishBundle(input: PublishBundleInput): Promise<PublishProgress> {
  const { tenantId, uploadId, requestedBy } = input;
  const ref = { tenantId, uploadId, requestedBy };
  const steps = createSteps(PUBLISH_STEPS);
  let checks: Check[] = [];
  let status: PublishStatus = 'uploading';

  const progress = (): PublishProgress => {
    const step = steps.current();
    return { status, ...(step && { step }), steps: steps.list(), checks };
  };
  setHandler(publishProgressQuery, progress);

  const removeStaged = (): Promise<void> =>
    CancellationScope.nonCancellable(async () => {
      // The publish has ended either way, so this must not decide how.
      await removeStaging(ref).catch((err: unknown) => log.warn('staging was not removed', { error: err }));
      await condition(allHandlersFinished);
    });
  const enter = (next: PublishStatus): void => {
    status = next;
    describeWorkflow({ ExtPhase: next });
  };
  const shown = (): PublishStepRef => ({ ...ref, steps: steps.list(), checks });
  /** Everything is looked at before the first fault decides, so that a publisher hears of all of them at once. */
  const verify = async (received: ReceivedBundle): Promise<{ bundle: VerifiedBundle; target: string }> => {
    const verdict = await steps.attempt(() => verifyBundle({ ...ref, ...received }));
    checks = verdict.checks;
    if (verdict.contentHash) describeWorkflow({ ExtContentHash: verdict.contentHash });
    if (verdict.found) {
      const { extension, version } = verdict.found;
      describeWorkflow({ ExtName: extension, ExtVersion: version });
      steps.note(`The bundle is ${extension} ${version}.`);
    }
    const { bundle, inspect: component } = verdict;
    const inspect = verdict.fault ? inspectRefused : inspectComponent;
    const inspected =
      component &&
      (await steps
        .attempt(() => inspect({ ...ref, ...component }))
        .catch((err: unknown) => {
          if (verdict.fault && !isCancellation(err)) return undefined; // the bundle is refused all the same
          throw err;
        }));
    checks = [...checks, ...(inspected?.checks ?? COMPONENT_NOT_LOOKED_AT)];
    const fault = verdict.fault ?? inspected?.fault;
    if (fault) throw ApplicationFailure.nonRetryable(fault.message, fault.code);
    if (!inspected || !bundle)
      throw ApplicationFailure.nonRetryable('a bundle without fault was not looked at whole', 'INTERNAL');
    return { bundle, target: inspected.target };
  };

  describeWorkflow({ ExtTenantId: tenantId, ExtRequestedBy: requestedBy });
  try {
    enter('uploading');
    const received = await awaitUpload(input, {
      steps,
      taken: () => enter('verifying'),
      givenUp: () => enter('aborted'),
    });
    if (!received) return progress();
    return await publishReceived(received);
  } finally {
    await removeStaged();
  }

  async function publishReceived(received: ReceivedBundle): Promise<PublishProgress> {
    try {
      const { bundle, target } = await verify(received);
      const { contentHash, sizeBytes } = bundle;
      steps.done();

      // Needs no undo, nor does precompile: what they write is named by its content and may be another version's too.
      steps.begin('promote');
      await steps.attempt(() => promoteBundle({ ...shown(), bundle }));
      steps.done();

      enter('precompiling');
      steps.begin('precompile');
      const { artifact } = await steps.attempt(() =>
        precompileOnce({ contentHash, target }, { fairnessKey: tenantId }),
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
    }
  }
}
