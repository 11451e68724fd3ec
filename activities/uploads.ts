import { PlatformError } from '../core/errors.ts';
import type { Check, FailureReason, PublishStepName, Step } from '../core/progress.ts';
import type { SentPart } from '../core/upload-parts.ts';
import type { UploadStore } from '../platform/db/uploads.ts';
import type { ObjectKeys, StagedUpload } from '../platform/objects/keys.ts';
import type { ObjectStore } from '../platform/objects/object-store.ts';
import { arrivedSize } from './direct-uploads.ts';
import { withHeartbeat } from './heartbeat.ts';

export interface UploadDeps {
  uploads: Pick<UploadStore, 'find' | 'open' | 'abort' | 'saveProgress' | 'end'>;
  objects: Pick<ObjectStore, 'list' | 'remove' | 'direct'>;
  keys: Pick<ObjectKeys, 'staging' | 'stagingOf' | 'uploadOf'>;
}

export type UploadRef = StagedUpload;

export interface OpenPublishInput extends UploadRef {
  steps: Step<PublishStepName>[];
  /** What finalize said of the parts; absent means those that are there. */
  parts?: readonly SentPart[];
}

export interface AbortUploadInput extends UploadRef {
  /** Absent: its publisher gave it up. */
  reason?: FailureReason;
}

/** What the bytes in staging are, as far as it is known before they are verified. */
export interface ReceivedBundle {
  /** As a gateway saw them arrive, or else as they were announced. */
  contentHash?: string;
}

/** Which publish, and how it stands: the step that runs is the activity's own. */
export interface PublishStepRef extends UploadRef {
  steps: Step<PublishStepName>[];
  checks: Check[];
}

export interface EndPublishInput extends PublishStepRef {
  status: 'rejected' | 'failed';
  error: FailureReason;
}

export type UploadActivities = ReturnType<typeof createUploadActivities>;

export function createUploadActivities({ uploads, objects, keys }: UploadDeps) {
  return {
    /**
     * Takes the upload into a publish and answers what was received; first it makes one object of one that came in parts. A second time
     * finds it taken and answers the same. Throws UPLOAD_INCOMPLETE, UPLOAD_MISMATCH or UPLOAD_CLOSED.
     */
    async openPublish({ steps, parts, ...ref }: OpenPublishInput): Promise<ReceivedBundle> {
      const { tenantId, uploadId } = ref;
      const upload = await uploads.find(tenantId, uploadId);
      const isDirect = upload?.status === 'uploading' && upload.transfer.method !== 'proxy';
      const size = isDirect
        ? await withHeartbeat(() => arrivedSize(objects, keys.staging(ref), upload, parts))
        : undefined;
      const { received, announcedSha256 } = await uploads.open(tenantId, uploadId, size);
      // Housekeeping, which looked before this publish had begun, may have ended the row for want of one.
      const taken = await uploads.saveProgress(tenantId, uploadId, {
        status: 'verifying',
        steps,
        checks: [],
      });
      if (!taken)
        throw new PlatformError('UPLOAD_CLOSED', `upload ${uploadId} takes nothing more: it has ended`);
      const sha256 = received?.sha256 ?? announcedSha256;
      return sha256 === undefined ? {} : { contentHash: `sha256:${sha256}` };
    },

    /** Gives an upload up that was not finalized. A second time changes nothing. Throws UPLOAD_CLOSED if it was finalized, or is gone. */
    async abortUpload({ tenantId, uploadId, reason }: AbortUploadInput): Promise<void> {
      await uploads.abort(tenantId, uploadId, reason);
    },

    /** Ends a publish that came to nothing. The first end stays; a second time changes nothing. */
    async endPublish({ tenantId, uploadId, ...end }: EndPublishInput): Promise<void> {
      await uploads.end(tenantId, uploadId, end);
    },

    /** Removes the bytes from staging, pinned ones and parts too. Nothing to remove is no error. */
    async removeStaging(ref: UploadRef): Promise<void> {
      await withHeartbeat(async (signal) => {
        await objects.direct?.abandonParts(keys.staging(ref));
        for await (const { key } of objects.list(keys.stagingOf(ref))) {
          signal.throwIfAborted();
          if (keys.uploadOf(key)?.uploadId === ref.uploadId) await objects.remove(key);
        }
      });
    },
  };
}
