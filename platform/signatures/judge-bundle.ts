import type { DsseEnvelope } from '../../core/dsse-envelope.ts';
import { PlatformError } from '../../core/errors.ts';
import { publisherSlug } from '../../core/ids.ts';
import type { Manifest } from '../../core/manifest/manifest.ts';
import { untrustedText, type Judgement, type Trust } from '../../core/trust.ts';
import {
  judgeEnvelopes,
  payloadFault,
  type ReceivedEnvelope,
  type SignedBundle,
} from './bundle-statement.ts';

/** A bundle that is new here, as its signatures speak of it. */
export interface SignedManifest {
  /** `sha256:<hex>` of the bundle's bytes. */
  contentHash: string;
  /** Hex sha256 of the bytes of its manifest.json. */
  manifestSha256: string;
  manifest: Pick<Manifest, 'name' | 'version' | 'publisher'>;
}

/** What the signatures of a bundle are worth that is to be published, with SIGNATURE_INVALID if that is too little. */
export function judgeBundle(
  trust: Trust,
  envelopes: readonly ReceivedEnvelope[],
  bundle: SignedManifest,
): Judgement & { fault?: PlatformError } {
  const judgement = judgeEnvelopes(trust, envelopes, signedBundle(bundle), 'publish');
  if (judgement.trusted) return judgement;
  return { ...judgement, fault: new PlatformError('SIGNATURE_INVALID', untrustedText(trust, judgement)) };
}

/**
 * What keeps an envelope from being put beside a bundle that is published. Each of its signatures has to count now: one that does not
 * would be held against later states of trust as one that came in time. Where nobody's signature is asked for, it has to be about the
 * bundle.
 */
export function addedSignatureFault(
  trust: Trust,
  envelope: DsseEnvelope,
  bundle: SignedManifest,
): string | undefined {
  const signed = signedBundle(bundle);
  if (trust.policy === 'optional') {
    const fault = payloadFault(envelope, signed);
    return fault && `what it holds ${fault}`;
  }
  const receivedAt = new Date().toISOString();
  const { faults } = judgeEnvelopes(trust, [{ envelope, receivedAt }], signed, 'publish');
  return faults.length > 0 ? faults.join('; ') : undefined;
}

function signedBundle({ contentHash, manifestSha256, manifest }: SignedManifest): SignedBundle {
  const { name, version, publisher } = manifest;
  return { contentHash, publisher: publisherSlug(publisher), facts: { manifestSha256, name, version } };
}
