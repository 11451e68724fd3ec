import { createHash } from 'node:crypto';
import { PlatformError } from '../core/errors.ts';
import { contentHashHex } from '../core/ids.ts';
import { stepsWhenBegun } from '../core/progress.ts';
import { readBundle } from '../platform/bundle/read-bundle.ts';
import type { UploadStore } from '../platform/db/uploads.ts';
import type { ObjectKeys } from '../platform/objects/keys.ts';
import type { ObjectStore } from '../platform/objects/object-store.ts';
import { withHeartbeat } from './heartbeat.ts';
import { attempts, done, underWay, type Done } from './own-run.ts';
import { readStaging } from './staging.ts';
import type { PublishStepRef } from './uploads.ts';

export interface BundleDeps {
  objects: Pick<ObjectStore, 'read' | 'putOnce'>;
  keys: ObjectKeys;
  uploads: Pick<UploadStore, 'saveProgress'>;
}

export interface PromoteBundleInput extends PublishStepRef {
  contentHash: string;
  sizeBytes: number;
}

export type BundleActivities = ReturnType<typeof createBundleActivities>;

export function createBundleActivities({ objects, keys, uploads }: BundleDeps) {
  async function putBytes(key: string, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    await objects.putOnce(key, bytes, { sha256, size: bytes.byteLength, signal });
  }

  return {
    /**
     * Puts the verified bundle, its manifest and its component where their content hash says. The store refuses bytes that are not the
     * verified ones, and the parts are read from what it holds, not from staging. A second time finds the same objects. Needs no undo:
     * another version may have the same content, so nothing here removes them. Shows that precompile comes next: what does that has
     * no database.
     */
    async promoteBundle(input: PromoteBundleInput): Promise<Done> {
      const { tenantId, uploadId, contentHash, sizeBytes, steps, checks } = input;
      await uploads.saveProgress(tenantId, uploadId, { status: 'verifying', steps: underWay(steps), checks });
      await withHeartbeat(async (signal) => {
        const staged = await readStaging(objects, keys.staging(tenantId, uploadId), signal);
        const verified = { sha256: contentHashHex(contentHash), size: sizeBytes, signal };
        await objects.putOnce(keys.bundle(contentHash), staged, verified);
        const promoted = await objects.read(keys.bundle(contentHash), { signal });
        if (!promoted)
          throw new PlatformError('BUNDLE_UNAVAILABLE', 'the promoted bundle is not in the object store');
        const { manifestBytes, component } = await readBundle(promoted.body);
        await putBytes(keys.manifest(contentHash), manifestBytes, signal);
        await putBytes(keys.component(contentHash), component, signal);
      });
      const next = stepsWhenBegun(done(steps), 'precompile', new Date().toISOString());
      await uploads.saveProgress(tenantId, uploadId, { status: 'precompiling', steps: next, checks });
      return attempts();
    },
  };
}
