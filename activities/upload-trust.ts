import type { DsseEnvelope } from '../core/dsse-envelope.ts';
import type { PlatformError } from '../core/errors.ts';
import type { Trust } from '../core/trust.ts';
import type { TrustStore } from '../platform/db/trust.ts';
import type { UploadStore } from '../platform/db/uploads.ts';
import { judgeBundle, type SignedManifest } from '../platform/signatures/judge-bundle.ts';
import type { UploadRef } from './uploads.ts';

export interface UploadTrustDeps {
  trust: Pick<TrustStore, 'adopted'>;
  uploads: Pick<UploadStore, 'signature'>;
}

/** What the signature of an upload is worth, by what is trusted at a revision. */
export interface UploadJudgement {
  revision: number;
  policy: Trust['policy'];
  keyIds: string[];
  signature?: DsseEnvelope;
  /** SIGNATURE_INVALID, if the bundle may not be published for that. */
  fault?: PlatformError;
}

export interface UploadTrust {
  policy(): Promise<Pick<Trust, 'policy'>>;
  judge(upload: Pick<UploadRef, 'tenantId' | 'uploadId'>, bundle: SignedManifest): Promise<UploadJudgement>;
}

export function createUploadTrust({ trust: store, uploads }: UploadTrustDeps): UploadTrust {
  return {
    policy: async () => (await store.adopted()).trust,

    async judge({ tenantId, uploadId }, bundle) {
      const signature = await uploads.signature(tenantId, uploadId);
      const { trust, revision } = await store.adopted();
      const envelopes = signature ? [{ envelope: signature, receivedAt: new Date().toISOString() }] : [];
      const { policy, keyIds, fault } = judgeBundle(trust, envelopes, bundle);
      return { revision, policy, keyIds, ...(signature && { signature }), ...(fault && { fault }) };
    },
  };
}
