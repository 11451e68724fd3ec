import { buffer } from 'node:stream/consumers';
import type { Artifact } from '../core/artifact.ts';
import { PlatformError } from '../core/errors.ts';
import { parseManifest } from '../core/manifest/manifest.ts';
import type { RegistryStore } from '../platform/db/registry.ts';
import type { UploadStore } from '../platform/db/uploads.ts';
import type { ObjectKeys } from '../platform/objects/keys.ts';
import type { ObjectStore } from '../platform/objects/object-store.ts';
import { attempts, done, underWay } from './own-run.ts';
import type { PublishStepRef } from './uploads.ts';

export interface RegistryDeps {
  registry: Pick<RegistryStore, 'register'>;
  uploads: Pick<UploadStore, 'saveProgress' | 'end'>;
  objects: Pick<ObjectStore, 'read'>;
  keys: Pick<ObjectKeys, 'manifest'>;
}

export interface RegisterVersionInput extends PublishStepRef {
  contentHash: string;
  sizeBytes: number;
  artifact: Artifact;
}

export interface RegisteredVersion {
  versionId: string;
  extensionId: string;
  /** A wildcard of the manifest is resolved here. */
  version: string;
  attempts: number;
}

export type RegistryActivities = ReturnType<typeof createRegistryActivities>;

export function createRegistryActivities({ registry, uploads, objects, keys }: RegistryDeps) {
  return {
    /**
     * Makes the promoted bundle a version, and ends the publish. A second time for the same upload answers the version the first one
     * made.
     */
    async registerVersion(input: RegisterVersionInput): Promise<RegisteredVersion> {
      const { tenantId, uploadId, steps, checks } = input;
      const shown = { status: 'registering', steps: underWay(steps), checks } as const;
      await uploads.saveProgress(tenantId, uploadId, shown);
      const stored = await objects.read(keys.manifest(input.contentHash));
      if (!stored)
        throw new PlatformError('BUNDLE_UNAVAILABLE', 'the promoted manifest is not in the object store');
      const manifest = parseManifest((await buffer(stored.body)).toString('utf8'));
      const registered = await registry.register({ ...input, manifest });
      const { versionId } = registered;
      await uploads.end(tenantId, uploadId, { status: 'published', versionId, steps: done(steps), checks });
      return { ...registered, ...attempts() };
    },
  };
}
