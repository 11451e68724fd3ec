import { buffer } from 'node:stream/consumers';
import { activityInfo } from '@temporalio/activity';
import type { Artifact } from '../core/artifact.ts';
import { PlatformError } from '../core/errors.ts';
import { parseManifest } from '../core/manifest/manifest.ts';
import type { Check } from '../core/progress.ts';
import type { RegistryStore } from '../platform/db/registry.ts';
import type { ObjectKeys } from '../platform/objects/keys.ts';
import type { ObjectStore } from '../platform/objects/object-store.ts';
import type { UploadRef } from './uploads.ts';

export interface RegistryDeps {
  registry: Pick<RegistryStore, 'register'>;
  objects: Pick<ObjectStore, 'read'>;
  keys: Pick<ObjectKeys, 'manifest'>;
}

export interface RegisterVersionInput extends UploadRef {
  contentHash: string;
  sizeBytes: number;
  checks: Check[];
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

export function createRegistryActivities({ registry, objects, keys }: RegistryDeps) {
  return {
    /** Makes the promoted bundle a version. A second time for the same upload answers the version the first one made. */
    async registerVersion(input: RegisterVersionInput): Promise<RegisteredVersion> {
      const stored = await objects.read(keys.manifest(input.contentHash));
      if (!stored)
        throw new PlatformError('BUNDLE_UNAVAILABLE', 'the promoted manifest is not in the object store');
      const manifest = parseManifest((await buffer(stored.body)).toString('utf8'));
      const registered = await registry.register({ ...input, manifest });
      return { ...registered, attempts: activityInfo().attempt };
    },
  };
}
