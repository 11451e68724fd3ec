import { ApplicationFailure, CancellationScope, condition, setHandler } from '@temporalio/workflow';
import type { ReceivedBundle, UploadActivities } from '../activities/uploads.ts';
import {
  stepsWhenBegun,
  type FailureReason,
  type PublishStatus,
  type PublishStepName,
} from '../core/progress.ts';
import { activities } from './activities.ts';
import { failureReason } from './failure-reason.ts';
import {
  abortUploadUpdate,
  finalizeUploadUpdate,
  type FinalizeUpload,
  type PublishBundleInput,
} from './messages.ts';
import { OWN_DATABASE } from './own-database.ts';
import type { Steps } from './steps.ts';

const { abortUpload } = activities<UploadActivities>(OWN_DATABASE);

/** The same, and the object store may have 200 MiB to join. */
const { openPublish } = activities<UploadActivities>({
  ...OWN_DATABASE,
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: '8 seconds',
});

/** After these the publisher can send what is missing and finalize again. */
const REPAIRABLE: readonly string[] = ['UPLOAD_INCOMPLETE', 'UPLOAD_MISMATCH'];

const EXPIRED: FailureReason = {
  code: 'OPERATION_EXPIRED',
  message: 'the upload was not finalized before it expired; begin a new one',
};
const CANCELLED: FailureReason = {
  code: 'OPERATION_CANCELLED',
  message: 'an operator cancelled the upload; begin a new one',
};

interface UploadStory {
  steps: Steps<PublishStepName>;
  /** Called as soon as the row shows it. */
  taken: () => void;
  givenUp: () => void;
}

/**
 * Waits until the upload is finalized, and answers what was received; undefined once its publisher gave it up, or did not finalize it in
 * time. A cancellation gives it up as well, and is thrown.
 */
export async function awaitUpload(
  { tenantId, uploadId, requestedBy, expiresAt }: PublishBundleInput,
  { steps, taken, givenUp }: UploadStory,
): Promise<ReceivedBundle | undefined> {
  const ref = { tenantId, uploadId, requestedBy };
  let received: ReceivedBundle | undefined;
  let isClosed = false;
  let isBusy = false;

  /** One after the other, whoever asks, and whatever is cancelled meanwhile: what the row shows is what was decided here. */
  const inTurn = (decide: () => Promise<void>): Promise<void> =>
    CancellationScope.nonCancellable(async () => {
      // More than one may have waited for the same turn.
      while (isBusy) await condition(() => !isBusy);
      isBusy = true;
      try {
        await decide();
      } finally {
        isBusy = false;
      }
    });
  const status = (): { status: PublishStatus } => ({ status: received ? 'verifying' : 'aborted' });

  async function close(reason?: FailureReason): Promise<void> {
    try {
      await abortUpload({ ...ref, ...(reason && { reason }) });
    } finally {
      isClosed = true;
      givenUp();
    }
  }

  // Its type makes the handler's argument known.
  const refuseClosed: (finalize: FinalizeUpload) => void = () => mustBeOpen(isClosed);
  setHandler(
    finalizeUploadUpdate,
    async ({ parts }) => {
      await inTurn(async () => {
        if (received) return;
        if (isClosed) throw closed();
        try {
          const begun = stepsWhenBegun(steps.list(), 'verify', new Date().toISOString());
          const bundle = await openPublish({ ...ref, steps: begun, ...(parts && { parts }) });
          steps.note(undefined);
          steps.begin('verify');
          received = bundle;
          taken();
        } catch (err) {
          // Such as a row that says that it has ended: nothing is left to wait for.
          if (!REPAIRABLE.includes(failureReason(err).code)) isClosed = true;
          throw err;
        }
      });
      return status();
    },
    { validator: refuseClosed },
  );
  setHandler(
    abortUploadUpdate,
    async () => {
      await inTurn(async () => {
        if (received) throw closed();
        if (!isClosed) await close();
      });
      return status();
    },
    { validator: () => mustBeOpen(received !== undefined) },
  );

  steps.note(
    `The publisher has until ${expiresAt} to send the bytes and to finalize; after that the upload is given up.`,
  );
  const isDecided = (): boolean => received !== undefined || isClosed;
  const closeUndecided = (reason: FailureReason): Promise<void> =>
    inTurn(async () => {
      if (!isDecided()) await close(reason);
    });
  try {
    const left = Math.max(1, Date.parse(expiresAt) - Date.now());
    await condition(isDecided, left, {
      summary: 'Until then the upload has to be finalized, else it is given up',
    });
    await closeUndecided(EXPIRED);
  } catch (err) {
    await closeUndecided(CANCELLED);
    // Of one that was taken meanwhile the row waits for its end: it is cancelled at its first step.
    if (!received) throw err;
  }
  return received;
}

function mustBeOpen(isClosed: boolean): void {
  if (isClosed) throw closed();
}

function closed(): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    'the upload was finalized, aborted or has expired; begin a new one',
    'UPLOAD_CLOSED',
  );
}
