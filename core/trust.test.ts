import { describe, expect, it } from '@jest/globals';
import {
  judgeSignatures,
  mergeTrust,
  untrustedText,
  type GoodSignature,
  type TrustBundle,
  type TrustKey,
  type TrustUse,
} from './trust.ts';

const key = (name: string, fields: Partial<TrustKey> = {}): TrustKey => ({
  keyId: name,
  publicKey: `public ${name}`,
  publishers: ['acme'],
  state: 'active',
  ...fields,
});
const bundleOf = (...keys: TrustKey[]): TrustBundle => ({ threshold: 1, keys });
const at = (time: string, ...names: string[]) => names.map((keyId) => ({ keyId, receivedAt: time }));
interface Judged {
  threshold?: number;
  signed?: GoodSignature[];
  publisher?: string;
  use?: TrustUse;
}
const NOON = '2026-06-01T12:00:00Z';

describe('trust that is merged', () => {
  it('is optional where nothing is configured, and required where a bundle is, though it has no key', () => {
    expect(mergeTrust([undefined, undefined])).toEqual({ policy: 'optional', threshold: 1, keys: [] });
    expect(mergeTrust([bundleOf(), undefined])).toMatchObject({ policy: 'required' });
  });

  it('believes of a key that two name what both say, and the stricter state, whichever comes first', () => {
    const wide = key('a', {
      publishers: ['*'],
      notBefore: '2026-01-01T00:00:00Z',
      notAfter: '2027-01-01T00:00:00Z',
    });
    const narrow = key('a', {
      publishers: ['acme', 'other'],
      notBefore: '2026-02-01T00:00:00+02:00',
      notAfter: '2026-12-01T00:00:00Z',
      state: 'revoked',
      reason: 'leaked',
    });
    for (const bundles of [
      [wide, narrow],
      [narrow, wide],
    ]) {
      const { keys } = mergeTrust(bundles.map((one) => bundleOf(one)));
      expect(keys).toEqual([narrow]);
    }
    expect(mergeTrust([bundleOf(key('a')), bundleOf(key('a', { publishers: ['other'] }))]).keys).toEqual([
      key('a', { publishers: [] }),
    ]);
  });

  it('takes the highest threshold', () => {
    expect(mergeTrust([{ threshold: 3, keys: [] }, bundleOf()]).threshold).toBe(3);
  });
});

describe('signatures', () => {
  const judge = (
    keys: TrustKey[],
    { threshold = 1, signed = at(NOON, 'a'), publisher = 'acme', use = 'publish' }: Judged = {},
  ) => judgeSignatures(mergeTrust([{ threshold, keys }]), publisher, signed, use);

  it('count by a key that is active, of its publisher and within its dates', () => {
    const dated = key('a', { notBefore: NOON, notAfter: NOON });
    expect(judge([dated])).toEqual({ policy: 'required', trusted: true, keyIds: ['a'], faults: [] });
    expect(judge([key('a', { publishers: ['*'] })], { publisher: 'anybody' }).trusted).toBe(true);
  });

  it.each([
    ['a stranger', [key('b')], 'the key a is not trusted here'],
    [
      'a key of another publisher',
      [key('a', { publishers: ['other'] })],
      'may not sign for the publisher acme',
    ],
    ['a key of nobody', [key('a', { publishers: [] })], 'may not sign for the publisher acme'],
    ['a key that is not valid yet', [key('a', { notBefore: '2026-06-01T12:00:01Z' })], 'is valid from'],
    ['a key that is not valid any more', [key('a', { notAfter: '2026-06-01T11:59:59Z' })], 'was valid until'],
    ['a key that is revoked', [key('a', { state: 'revoked', reason: 'leaked' })], 'was revoked (leaked)'],
    ['a key that is retired', [key('a', { state: 'retired' })], 'is retired and signs nothing new'],
  ])('do not count by %s', (_what, keys, why) => {
    const { trusted, keyIds, faults } = judge(keys);
    expect({ trusted, keyIds }).toEqual({ trusted: false, keyIds: [] });
    expect(faults).toEqual([expect.stringContaining(why)]);
  });

  it('of before its key was retired go on counting for what is published, and those of a revoked one do not', () => {
    expect(judge([key('a', { state: 'retired' })], { use: 'serve' }).trusted).toBe(true);
    expect(judge([key('a', { state: 'revoked' })], { use: 'serve' }).trusted).toBe(false);
  });

  it('count once for each key towards the threshold', () => {
    const keys = [key('a'), key('b')];
    expect(judge(keys, { threshold: 2, signed: at(NOON, 'a', 'a') }).trusted).toBe(false);
    expect(judge(keys, { threshold: 2, signed: at(NOON, 'a', 'b') }).trusted).toBe(true);
  });

  it.each(['', 'yesterday'])('never count at the time %j', (time) => {
    expect(judge([key('a')], { signed: at(time, 'a') }).trusted).toBe(false);
    expect(judge([key('a', { notAfter: NOON })], { signed: at(time, 'a') }).trusted).toBe(false);
  });

  it('that are not enough are told of with what is needed, what there is and why', () => {
    const trust = mergeTrust([{ threshold: 2, keys: [key('a'), key('b', { state: 'revoked' })] }]);
    const judgement = judgeSignatures(trust, 'acme', at(NOON, 'a', 'b'), 'serve');
    expect(untrustedText(trust, judgement)).toBe(
      'the bundle needs signatures by 2 keys that this platform trusts for its publisher, and only 1 of them counts: a; the key b was revoked',
    );
    const none = judgeSignatures(mergeTrust([bundleOf()]), 'acme', [], 'publish');
    expect(untrustedText(mergeTrust([bundleOf()]), none)).toBe(
      'the bundle needs a signature by a key that this platform trusts for its publisher, and there is none that counts',
    );
  });
});
