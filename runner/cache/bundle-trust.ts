import { PlatformError } from '../../core/errors.ts';
import type { BundleTrust } from '../../core/api/internal.ts';
import { mergeTrust, untrustedText, type TrustBundle } from '../../core/trust.ts';
import type { ObjectKeys } from '../../platform/objects/keys.ts';
import type { ObjectStore } from '../../platform/objects/object-store.ts';
import { judgeEnvelopes } from '../../platform/signatures/bundle-statement.ts';
import { readEnvelopes } from '../../platform/signatures/stored-envelopes.ts';

const READ_TIMEOUT_MS = 10_000;

export interface BundleTrustDeps {
  /** What the gateway says is trusted, and of the bundle. */
  ask: (contentHash: string) => Promise<BundleTrust>;
  /** This runner's own trust bundle: what it does not believe, no gateway makes it believe. */
  own: TrustBundle | undefined;
  objects: Pick<ObjectStore, 'read'>;
  keys: Pick<ObjectKeys, 'signature'>;
}

/**
 * Rejects unless a bundle may be loaded: a version of it is published, and the signatures beside it satisfy what gateway and runner trust.
 * It is seen by the signatures themselves, not by what others made of them. Throws SIGNATURE_REVOKED; GATEWAY_UNAVAILABLE or
 * OBJECT_STORE_UNAVAILABLE where it cannot be known, which is no leave to load it.
 */
export type CheckBundleTrust = (contentHash: string) => Promise<void>;

export function createCheckBundleTrust({ ask, own, objects, keys }: BundleTrustDeps): CheckBundleTrust {
  return async (contentHash) => {
    const { trust: told, bundle } = await ask(contentHash);
    if (!bundle) throw revoked('no version of the bundle is published, or none is trusted');
    const trust = mergeTrust([told.policy === 'required' ? told : undefined, own]);
    if (trust.policy === 'optional') return;
    const signal = AbortSignal.timeout(READ_TIMEOUT_MS);
    const envelopes = await readEnvelopes(objects, keys, contentHash, bundle.signatures, signal);
    const signed = { contentHash, publisher: bundle.publisher };
    const judgement = judgeEnvelopes(trust, envelopes, signed, 'serve');
    if (!judgement.trusted) throw revoked(untrustedText(trust, judgement));
  };
}

function revoked(message: string): PlatformError {
  return new PlatformError('SIGNATURE_REVOKED', message);
}
