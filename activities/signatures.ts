import type { DsseEnvelope } from '../core/dsse-envelope.ts';
import { PlatformError } from '../core/errors.ts';
import type { SignatureStore } from '../platform/db/signatures.ts';
import type { TrustStore } from '../platform/db/trust.ts';
import type { ObjectKeys } from '../platform/objects/keys.ts';
import type { ObjectStore } from '../platform/objects/object-store.ts';
import { addedSignatureFault } from '../platform/signatures/judge-bundle.ts';
import { storeEnvelope } from '../platform/signatures/stored-envelopes.ts';
import { readPromotedManifest } from './promoted-manifest.ts';

export interface SignatureDeps {
  signatures: SignatureStore;
  trust: Pick<TrustStore, 'adopted'>;
  objects: Pick<ObjectStore, 'read' | 'putOnce'>;
  keys: Pick<ObjectKeys, 'manifest' | 'signature'>;
}

interface AddSignatureInput {
  tenantId: string;
  versionId: string;
  contentHash: string;
  envelope: DsseEnvelope;
}

export type SignatureActivities = ReturnType<typeof createSignatureActivities>;

export function createSignatureActivities({ signatures, trust: store, objects, keys }: SignatureDeps) {
  return {
    /**
     * Puts an envelope beside the bundle of a version, whose versions are then to be judged anew. Bears to run twice. Throws
     * SIGNATURE_INVALID with what is wrong with it, and what the store throws; then nothing has changed.
     */
    async addSignature({ tenantId, versionId, contentHash, envelope }: AddSignatureInput): Promise<void> {
      await signatures.checkSignable(tenantId, versionId);
      const bundle = await readPromotedManifest(objects, keys, contentHash);
      const { trust } = await store.adopted();
      const fault = addedSignatureFault(trust, envelope, bundle);
      if (fault !== undefined)
        throw new PlatformError('SIGNATURE_INVALID', `the signature is not kept: ${fault}`);
      const there = await signatures.list(contentHash);
      const digest = await storeEnvelope(objects, keys, contentHash, envelope, there);
      await signatures.add(tenantId, versionId, digest);
    },
  };
}
