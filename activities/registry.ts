import type { Artifact } from '../core/artifact.ts';
import type { RegistryStore } from '../platform/db/registry.ts';
import type { SignatureStore } from '../platform/db/signatures.ts';
import type { UploadStore } from '../platform/db/uploads.ts';
import type { ObjectKeys } from '../platform/objects/keys.ts';
import type { ObjectStore } from '../platform/objects/object-store.ts';
import { storeEnvelope } from '../platform/signatures/stored-envelopes.ts';
import { attempts, done, underWay } from './own-run.ts';
import { readPromotedManifest } from './promoted-manifest.ts';
import type { UploadTrust } from './upload-trust.ts';
import type { PublishStepRef } from './uploads.ts';

export interface RegistryDeps {
  registry: Pick<RegistryStore, 'register'>;
  uploads: Pick<UploadStore, 'saveProgress' | 'end'>;
  signatures: Pick<SignatureStore, 'list'>;
  objects: Pick<ObjectStore, 'read' | 'putOnce'>;
  keys: Pick<ObjectKeys, 'manifest' | 'signature'>;
  uploadTrust: UploadTrust;
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

export function createRegistryActivities(deps: RegistryDeps) {
  const { registry, uploads, signatures, objects, keys, uploadTrust } = deps;

  /** Under what is trusted by now: a key that was revoked since the bundle was verified has signed nothing. */
  async function registerTrusted({
    tenantId,
    uploadId,
    contentHash,
    ...registration
  }: RegisterVersionInput): Promise<Omit<RegisteredVersion, 'attempts'>> {
    const bundle = await readPromotedManifest(objects, keys, contentHash);
    const { manifest } = bundle;
    const { fault, signature, ...trust } = await uploadTrust.judge({ tenantId, uploadId }, bundle);
    if (fault) throw fault;
    const there = await signatures.list(contentHash);
    const digest = signature && (await storeEnvelope(objects, keys, contentHash, signature, there));
    return registry.register({
      ...registration,
      ...{ tenantId, uploadId, contentHash, manifest },
      trust: { ...trust, ...(digest !== undefined && { signature: digest }) },
    });
  }

  return {
    /**
     * Makes the promoted bundle a version, and ends the publish. A second time for the same upload answers the version the first one
     * made.
     */
    async registerVersion(input: RegisterVersionInput): Promise<RegisteredVersion> {
      const { tenantId, uploadId, steps, checks } = input;
      const shown = { status: 'registering', steps: underWay(steps), checks } as const;
      await uploads.saveProgress(tenantId, uploadId, shown);
      const registered = await registerTrusted(input);
      const { versionId } = registered;
      await uploads.end(tenantId, uploadId, { status: 'published', versionId, steps: done(steps), checks });
      return { ...registered, ...attempts() };
    },
  };
}
