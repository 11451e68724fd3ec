import { PlatformError } from '../core/errors.ts';
import type { Check, FailureReason, PublishStepName, Step } from '../core/progress.ts';
import type { UploadStore } from '../platform/db/uploads.ts';
import type { ObjectKeys } from '../platform/objects/keys.ts';
import type { ObjectStore } from '../platform/objects/object-store.ts';

export interface UploadDeps {
  uploads: Pick<UploadStore, 'open' | 'saveProgress' | 'end'>;
  objects: Pick<ObjectStore, 'remove'>;
  keys: Pick<ObjectKeys, 'staging'>;
}

export interface UploadRef {
  tenantId: string;
  uploadId: string;
}

export interface OpenPublishInput extends UploadRef {
  steps: Step<PublishStepName>[];
}

/** What the bytes in staging are, as the gateway saw them arrive; verification sees for itself. */
export interface ReceivedBundle {
  contentHash: string;
  sizeBytes: number;
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
    /** Takes the upload into a publish and answers what was received. A second time finds it taken and answers the same. */
    async openPublish({ tenantId, uploadId, steps }: OpenPublishInput): Promise<ReceivedBundle> {
      const { received } = await uploads.open(tenantId, uploadId);
      if (!received) throw new PlatformError('UPLOAD_INCOMPLETE', 'the bytes have not arrived');
      // Housekeeping, which looked before this publish had begun, may have ended the row for want of one.
      const taken = await uploads.saveProgress(tenantId, uploadId, {
        status: 'verifying',
        steps,
        checks: [],
      });
      if (!taken)
        throw new PlatformError('UPLOAD_CLOSED', `upload ${uploadId} takes nothing more: it has ended`);
      return { contentHash: `sha256:${received.sha256}`, sizeBytes: received.size };
    },

    /** Ends a publish that came to nothing. The first end stays; a second time changes nothing. */
    async endPublish({ tenantId, uploadId, ...end }: EndPublishInput): Promise<void> {
      await uploads.end(tenantId, uploadId, end);
    },

    /** Removes the bytes from staging. Nothing to remove is no error. */
    async removeStaging({ tenantId, uploadId }: UploadRef): Promise<void> {
      await objects.remove(keys.staging(tenantId, uploadId));
    },
  };
}
