import { contentHashHex } from '../core/ids.ts';
import { stepsWhenBegun } from '../core/progress.ts';
import type { UploadStore } from '../platform/db/uploads.ts';
import type { ObjectKeys } from '../platform/objects/keys.ts';
import type { ObjectStore } from '../platform/objects/object-store.ts';
import { withHeartbeat } from './heartbeat.ts';
import { attempts, done, underWay, type Done } from './own-run.ts';
import { notThere } from './staging.ts';
import type { PublishStepRef } from './uploads.ts';
import type { VerifiedBundle } from './verification.ts';

export interface BundleDeps {
  objects: Pick<ObjectStore, 'copyOnce'>;
  keys: ObjectKeys;
  uploads: Pick<UploadStore, 'claim' | 'saveProgress'>;
}

export interface PromoteBundleInput extends PublishStepRef {
  bundle: VerifiedBundle;
}

export type BundleActivities = ReturnType<typeof createBundleActivities>;

export function createBundleActivities({ objects, keys, uploads }: BundleDeps) {
  return {
    /**
     * Copies the verified bundle, its manifest and its component to where their content hash says: the store does, and no byte passes
     * here. A second time finds the same objects. Needs no undo: another version may have the same content, so nothing here removes them.
     * Shows that precompile comes next: what does that has no database.
     */
    async promoteBundle(input: PromoteBundleInput): Promise<Done> {
      const { tenantId, uploadId, bundle, steps, checks } = input;
      const { contentHash, sizeBytes: size, manifest, component } = bundle;
      await uploads.saveProgress(tenantId, uploadId, { status: 'verifying', steps: underWay(steps), checks });
      await uploads.claim(tenantId, uploadId, contentHash);
      const pinned = keys.pinned(input, bundle.pin);
      const sha256 = contentHashHex(contentHash);
      await withHeartbeat(async () => {
        const copies = [
          await objects.copyOnce(pinned.bundle, keys.bundle(contentHash), { sha256, size }),
          await objects.copyOnce(pinned.manifest, keys.manifest(contentHash), manifest),
          await objects.copyOnce(pinned.component, keys.component(contentHash), component),
        ];
        if (copies.includes(false)) throw notThere();
      });
      const next = stepsWhenBegun(done(steps), 'precompile', new Date().toISOString());
      await uploads.saveProgress(tenantId, uploadId, { status: 'precompiling', steps: next, checks });
      return attempts();
    },
  };
}
