import { describe, expect, it } from '@jest/globals';
import type { BundleTrust } from '../../core/api/internal.ts';
import { canonicalJson } from '../../core/canonical-json.ts';
import { PlatformError } from '../../core/errors.ts';
import type { TrustBundle } from '../../core/trust.ts';
import { createObjectKeys } from '../../platform/objects/keys.ts';
import { payloadDigest } from '../../platform/signatures/bundle-statement.ts';
import { newSigner, type Signer } from '../../test/support/signing.ts';
import { createCheckBundleTrust } from './bundle-trust.ts';

const keys = createObjectKeys('sha256/');
const HASH = `sha256:${'ab'.repeat(32)}`;
const receivedAt = '2026-06-01T12:00:00Z';
const signer = newSigner();
const trusting = (...trusted: Signer[]): BundleTrust['trust'] => ({
  policy: 'required',
  threshold: 1,
  keys: trusted.map((one) => one.trusted),
});
const NOBODY: BundleTrust['trust'] = { policy: 'optional', threshold: 1, keys: [] };

/** A bundle that this key signed; `bytes` replaces its envelope. */
function check({
  trust = trusting(signer),
  own = undefined as TrustBundle | undefined,
  contentHash = HASH,
  published = true,
  bytes = undefined as string | undefined,
  ask = undefined as (() => Promise<BundleTrust>) | undefined,
} = {}): Promise<void> {
  const envelope = signer.sign({ contentHash, manifestSha256: '00'.repeat(32), name: 'a', version: '1.0.0' });
  const digest = payloadDigest(envelope);
  const stored = new Map([[keys.signature(HASH, digest), Buffer.from(bytes ?? canonicalJson(envelope))]]);
  const bundle = { publisher: 'acme', signatures: [{ digest, receivedAt }] };
  const told = { trust, ...(published && { bundle }) };
  return createCheckBundleTrust({
    ask: ask ?? (() => Promise.resolve(told)),
    own,
    objects: {
      read: (key) => {
        const found = stored.get(key);
        return Promise.resolve(found && { size: found.byteLength, body: chunksOf(found) });
      },
    },
    keys,
  })(HASH);
}
async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}
const refused = expect.objectContaining({ code: 'SIGNATURE_REVOKED' });

describe('a runner loads a bundle', () => {
  it('that a trusted key has signed', async () => {
    await expect(check()).resolves.toBeUndefined();
    await expect(check({ own: trusting(signer) })).resolves.toBeUndefined();
  });

  it('without a signature where neither it nor the gateway trusts any key', async () => {
    await expect(check({ trust: NOBODY, bytes: '' })).resolves.toBeUndefined();
  });
});

describe('a runner does not load a bundle', () => {
  it.each([
    ['whose key is not trusted', { trust: trusting(newSigner()) }],
    [
      'whose key was revoked',
      { trust: trusting({ ...signer, trusted: { ...signer.trusted, state: 'revoked' } }) },
    ],
    [
      'whose key may sign for others',
      { trust: trusting({ ...signer, trusted: { ...signer.trusted, publishers: ['other'] } }) },
    ],
    ['of which no version is published', { published: false }],
    ['of which no version is published, though no key is trusted', { published: false, trust: NOBODY }],
    ['whose signature is about another', { contentHash: `sha256:${'cd'.repeat(32)}` }],
    ['whose signature is damaged', { bytes: '{"payloadType":' }],
    ['whose signature is gone', { bytes: '' }],
    ['that its own trust bundle demands a signature of', { trust: NOBODY, own: { threshold: 1, keys: [] } }],
    ['that too few have signed for its own trust bundle', { own: { threshold: 2, keys: [] } }],
    [
      'whose key its own trust bundle has revoked',
      { own: trusting({ ...signer, trusted: { ...signer.trusted, state: 'revoked' } }) },
    ],
  ] satisfies [string, Parameters<typeof check>[0]][])('%s', async (_what, bundle) => {
    await expect(check(bundle)).rejects.toEqual(refused);
  });

  it('of which the gateway says nothing', async () => {
    const away = new PlatformError('GATEWAY_UNAVAILABLE', 'away');
    await expect(check({ ask: () => Promise.reject(away) })).rejects.toBe(away);
  });
});
