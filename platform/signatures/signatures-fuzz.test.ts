import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isPlatformError } from '../../core/errors.ts';
import { mergeTrust, type TrustBundle } from '../../core/trust.ts';
import { newSigner, type Signer } from '../../test/support/signing.ts';
import { judgeEnvelopes, type BundleFacts } from './bundle-statement.ts';
import { parseEnvelope, payloadOf } from './dsse.ts';
import { parseTrustBundle } from './trust-bundle.ts';

const RUNS = { numRuns: 1_500, seed: 13 };
const [known, other, stranger] = [newSigner(), newSigner(), newSigner()];
const leaked = newSigner({ state: 'revoked' });
const SIGNERS: readonly Signer[] = [known, other, leaked];
const FACTS: BundleFacts = {
  contentHash: `sha256:${'ab'.repeat(32)}`,
  manifestSha256: 'cd'.repeat(32),
  name: 'com.acme.billing',
  version: '1.2.*',
};
const OTHER: BundleFacts = { ...FACTS, contentHash: `sha256:${'ba'.repeat(32)}`, name: 'com.acme.evil' };

/** One change to a text; where it strikes is a fraction of its length. */
type Mutation = (text: string) => string;
const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
/** What tempts a reader of JSON, of base64, or of the bytes beneath. */
const TEMPTATION = fc.constantFrom(
  ...['"', '\\', '{', '}', '[', ']', ',', ':', '=', '==', '-', '_', '+', '/', ' ', '\n', '\0', '\u{feff}'],
  ...['null', 'true', '0', '-1', '1e999', '"*"', '"active"', '"__proto__":{}', '\\u0061', '%3d', 'A', 'a'],
);
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(place, TEMPTATION).map(
    ([where, more]): Mutation =>
      (text) =>
        splice(text, where, 0, more),
  ),
  fc.tuple(place, TEMPTATION).map(
    ([where, more]): Mutation =>
      (text) =>
        splice(text, where, 1, more),
  ),
  fc.tuple(place, fc.string({ unit: 'binary' })).map(
    ([where, more]): Mutation =>
      (text) =>
        splice(text, where, more.length, more),
  ),
  fc.tuple(place, fc.nat(60)).map(
    ([where, length]): Mutation =>
      (text) =>
        splice(text, where, length, ''),
  ),
  fc.tuple(place, place, fc.nat(200)).map(([from, to, length]): Mutation => (text) => {
    const start = at(text, from);
    return splice(text, to, 0, text.slice(start, start + length));
  }),
);
const mutations = fc.array(mutation, { minLength: 1, maxLength: 4 });
const mutate = (text: string, changes: readonly Mutation[]): string =>
  changes.reduce((changed, change) => change(changed), text);

function at(text: string, fraction: number): number {
  return Math.floor(fraction * text.length);
}
function splice(text: string, where: number, removed: number, added: string): string {
  const start = at(text, where);
  return text.slice(0, start) + added + text.slice(start + removed);
}

describe('an envelope that was changed anywhere', () => {
  const good = known.sign(FACTS);
  const evil = stranger.sign(OTHER);
  const trust = mergeTrust([{ threshold: 1, keys: SIGNERS.map(({ trusted }) => trusted) }]);
  const { contentHash, ...facts } = FACTS;
  const receivedAt = '2026-06-01T12:00:00Z';
  const isTrusted = (text: string, bundle = { contentHash, facts }): boolean => {
    const envelope = parseEnvelope(text);
    const received = envelope ? [{ envelope, receivedAt }] : [];
    return judgeEnvelopes(trust, received, { ...bundle, publisher: 'acme' }, 'publish').trusted;
  };
  const ofAnother = { contentHash: OTHER.contentHash, facts: { ...facts, name: OTHER.name } };

  it('is none, counts for nothing, or holds the very bytes that were signed', () => {
    let accepted = 0;
    fc.assert(
      fc.property(mutations, (changes) => {
        const text = mutate(JSON.stringify(good), changes);
        if (isTrusted(text, ofAnother)) return false;
        if (!isTrusted(text)) return true;
        accepted += 1;
        const envelope = parseEnvelope(text);
        return envelope !== undefined && Buffer.from(payloadOf(envelope)).equals(payloadOf(good));
      }),
      RUNS,
    );
    // Else the property would hold of a reader that takes nothing.
    expect(accepted).toBeGreaterThan(0);
    expect(isTrusted(JSON.stringify(good))).toBe(true);
  });

  it.each<[string, object]>([
    ["another's payload", { ...good, payload: evil.payload }],
    ["another's payload beside its own", { ...evil, payload: [good.payload, evil.payload] }],
    ["another's signature first", { ...evil, signatures: [...evil.signatures, ...good.signatures] }],
    ['no type', { ...good, payloadType: '' }],
    ['a revoked key', leaked.sign(FACTS)],
    ['a key that nobody trusts', stranger.sign(FACTS)],
  ])('with %s counts for nothing', (_what, envelope) => {
    const text = JSON.stringify(envelope);
    expect([isTrusted(text), isTrusted(text, ofAnother)]).toEqual([false, false]);
  });

  it.each<[string, string]>([
    ['nests without end', '['.repeat(1_000_000)],
    [
      'nests deeply where its payload is',
      `{"payloadType":"a","payload":${'['.repeat(50_000)}${']'.repeat(50_000)}}`,
    ],
    ['is long', JSON.stringify({ ...good, payload: 'A'.repeat(8_000_000) })],
    ['is long, and no base64 at its end', JSON.stringify({ ...good, payload: `${'A'.repeat(8_000_000)}!` })],
    [
      'has signatures without number',
      JSON.stringify({ ...good, signatures: Array(100_000).fill({ sig: 'AAAA' }) }),
    ],
  ])('that %s is none', (_what, text) => {
    expect(parseEnvelope(text)).toBeUndefined();
  });
});

describe('a trust bundle that was changed anywhere', () => {
  const written = {
    version: 1,
    threshold: 2,
    keys: SIGNERS.map(({ keyId, trusted: { publicKey, state } }, n) => ({
      ...{ publicKey, keyId, publishers: ['acme'], state },
      ...(n === 0 && { notBefore: '2026-01-01T00:00:00Z', notAfter: '2027-01-01T00:00:00Z' }),
    })),
  };
  const spkiOf = new Map(SIGNERS.map(({ keyId, trusted }) => [keyId, trusted.publicKey]));
  const read = (text: string): TrustBundle | undefined => {
    try {
      return parseTrustBundle(text);
    } catch (err) {
      if (isPlatformError(err) && err.code === 'CONFIG_INVALID' && err.issues.length > 0) return undefined;
      throw err;
    }
  };
  const counts = (bundle: TrustBundle, signer: Signer, publisher = 'acme'): boolean => {
    const { contentHash, ...facts } = FACTS;
    const trust = mergeTrust([{ ...bundle, threshold: 1 }]);
    const envelopes = [{ envelope: signer.sign(FACTS), receivedAt: '2026-06-01T12:00:00Z' }];
    return judgeEnvelopes(trust, envelopes, { contentHash, publisher, facts }, 'publish').keyIds.length > 0;
  };

  it('is refused with its faults, or trusts no key but those that it had, by the ids that they have', () => {
    let accepted = 0;
    fc.assert(
      fc.property(mutations, (changes) => {
        const bundle = read(mutate(JSON.stringify(written), changes));
        if (!bundle) return true;
        accepted += 1;
        const isKnown = bundle.keys.every(({ keyId, publicKey }) => {
          const digest = createHash('sha256').update(Buffer.from(publicKey, 'base64')).digest('hex');
          return keyId === `sha256:${digest}` && spkiOf.get(keyId) === publicKey;
        });
        return isKnown && bundle.threshold >= 1 && !counts(bundle, stranger) && !counts(bundle, leaked);
      }),
      RUNS,
    );
    expect(accepted).toBeGreaterThan(0);
    expect(counts(parseTrustBundle(JSON.stringify(written)), known)).toBe(true);
  });

  it.each<[string, string]>([
    ['nests without end', '['.repeat(1_000_000)],
    ['has keys without number', JSON.stringify({ version: 1, keys: Array(20_000).fill(written.keys[0]) })],
    [
      'has a long key',
      JSON.stringify({ version: 1, keys: [{ publicKey: 'A'.repeat(8_000_000), publishers: ['*'] }] }),
    ],
    [
      'says a word twice, the second time otherwise',
      JSON.stringify(written).replace('"version":1', '"version":1,"version":2'),
    ],
  ])('that %s is refused', (_what, text) => {
    expect(read(text)).toBeUndefined();
  });
});
