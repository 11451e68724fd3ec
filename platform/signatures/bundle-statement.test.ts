import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson } from '../../core/canonical-json.ts';
import type { DsseEnvelope } from '../../core/dsse-envelope.ts';
import { mergeTrust, type TrustKey } from '../../core/trust.ts';
import { newSigner, type Signer } from '../../test/support/signing.ts';
import { bundleStatement, judgeEnvelopes, payloadDigest, type BundleFacts } from './bundle-statement.ts';
import { IN_TOTO_TYPE, parseEnvelope, signEnvelope } from './dsse.ts';

const FACTS: BundleFacts = {
  contentHash: `sha256:${'ab'.repeat(32)}`,
  manifestSha256: 'cd'.repeat(32),
  name: 'com.acme.billing',
  version: '1.2.*',
};
const { contentHash, ...facts } = FACTS;
const BUNDLE = { contentHash, publisher: 'acme', facts };
const receivedAt = '2026-06-01T12:00:00Z';

function judge(keys: TrustKey[], envelopes: DsseEnvelope[], { threshold = 1 } = {}) {
  const received = envelopes.map((envelope) => ({ envelope, receivedAt }));
  return judgeEnvelopes(mergeTrust([{ threshold, keys }]), received, BUNDLE, 'publish');
}
const signRaw = (signer: Signer, payload: string | Uint8Array, type = IN_TOTO_TYPE): DsseEnvelope =>
  signEnvelope(signer.privateKey, signer.keyId, type, Buffer.from(payload));

describe('the statement about a bundle', () => {
  it('is in-toto v1 and says what the bundle is, what its manifest is and who made it', () => {
    const statement: unknown = JSON.parse(
      Buffer.from(bundleStatement(FACTS, { id: 'https://ci' })).toString(),
    );
    expect(statement).toEqual({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ name: 'bundle.tar.zst', digest: { sha256: 'ab'.repeat(32) } }],
      predicateType: 'https://alga.dev/extension/bundle/v1',
      predicate: {
        manifest: { sha256: 'cd'.repeat(32) },
        name: 'com.acme.billing',
        version: '1.2.*',
        builder: { id: 'https://ci' },
      },
    });
  });

  it('gives its digest to the envelope, whoever signed it', () => {
    const [a, b] = [newSigner().sign(FACTS), newSigner().sign(FACTS)];
    expect(payloadDigest(a)).toBe(payloadDigest(b));
  });
});

describe('envelopes', () => {
  const signer = newSigner();

  it('count when a trusted key signed the statement about the bundle, with or without a hint at the key', () => {
    const envelope = signer.sign(FACTS);
    const unhinted = { ...envelope, signatures: envelope.signatures.map(({ sig }) => ({ sig })) };
    for (const one of [envelope, unhinted]) {
      expect(judge([newSigner().trusted, signer.trusted], [one])).toMatchObject({
        trusted: true,
        keyIds: [signer.keyId],
      });
    }
  });

  it('of several keys add up, in one envelope or in several', () => {
    const other = newSigner();
    const keys = [signer.trusted, other.trusted];
    const [a, b] = [signer.sign(FACTS), other.sign(FACTS)];
    const both = { ...a, signatures: [...a.signatures, ...b.signatures] };
    expect(judge(keys, [a], { threshold: 2 }).trusted).toBe(false);
    expect(judge(keys, [a, a], { threshold: 2 }).trusted).toBe(false);
    expect(judge(keys, [a, b], { threshold: 2 }).trusted).toBe(true);
    expect(judge(keys, [both], { threshold: 2 }).trusted).toBe(true);
  });

  it.each([
    ['another bundle', { contentHash: `sha256:${'00'.repeat(32)}` }, 'about another bundle'],
    ['another manifest', { manifestSha256: '00'.repeat(32) }, 'another manifest.json'],
    [
      'another name',
      { name: 'com.acme.other' },
      'another name than manifest.json, which has "com.acme.billing"',
    ],
    ['another version', { version: '1.2.3' }, 'another version than manifest.json, which has "1.2.*"'],
  ])('about %s count for nothing', (_what, changed, why) => {
    const { trusted, faults } = judge([signer.trusted], [signer.sign({ ...FACTS, ...changed })]);
    expect(trusted).toBe(false);
    expect(faults).toEqual([expect.stringContaining(why)]);
  });

  const statement = JSON.parse(Buffer.from(bundleStatement(FACTS, { id: 'ci' })).toString()) as {
    subject: object[];
  };
  it.each<[string, DsseEnvelope]>([
    ['of something that is no JSON', signRaw(signer, '{')],
    ['of text that is no UTF-8', signRaw(signer, Buffer.from([0xff]))],
    ['of another type', signRaw(signer, canonicalJson(statement), 'application/json')],
    ['of another predicate', signRaw(signer, canonicalJson({ ...statement, predicateType: 'x' }))],
    [
      'of an older statement',
      signRaw(signer, canonicalJson({ ...statement, _type: 'https://in-toto.io/Statement/v0.1' })),
    ],
    [
      'of two subjects',
      signRaw(signer, canonicalJson({ ...statement, subject: [...statement.subject, ...statement.subject] })),
    ],
    ['of no subject', signRaw(signer, canonicalJson({ ...statement, subject: [] }))],
  ])('%s count for nothing', (_what, envelope) => {
    expect(judge([signer.trusted], [envelope])).toMatchObject({ trusted: false, keyIds: [] });
  });

  it('by a stranger count for nothing, though they hint at a trusted key', () => {
    const stranger = newSigner();
    const envelope = stranger.sign(FACTS);
    const lying = {
      ...envelope,
      signatures: envelope.signatures.map(({ sig }) => ({ sig, keyid: signer.keyId })),
    };
    for (const one of [envelope, lying]) expect(judge([signer.trusted], [one]).trusted).toBe(false);
  });

  it('are read in both alphabets of base64', () => {
    const { payload, payloadType, signatures } = signer.sign({ ...FACTS, name: 'ÿþ>?ÿþ>?' });
    const url = (text: string): string => text.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
    const urlSafe = {
      payloadType,
      payload: url(payload),
      signatures: signatures.map(({ sig }) => ({ sig: url(sig) })),
    };
    const read = parseEnvelope(JSON.stringify(urlSafe));
    expect(read && judge([signer.trusted], [read]).faults).toEqual([expect.stringContaining('another name')]);
  });

  it('never count once a byte of them is changed', () => {
    const { payload, ...envelope } = signer.sign(FACTS);
    const bytes = Buffer.from(payload, 'base64');
    const signature = Buffer.from(envelope.signatures[0]?.sig ?? '', 'base64');
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), fc.boolean(), (place, change, inPayload) => {
        const [changed, kept] = [Buffer.from(inPayload ? bytes : signature), inPayload ? signature : bytes];
        changed.writeUInt8(changed.readUInt8(place % changed.length) ^ change, place % changed.length);
        const [newPayload, sig] = inPayload ? [changed, kept] : [kept, changed];
        const tampered = {
          payloadType: envelope.payloadType,
          payload: newPayload.toString('base64'),
          signatures: [{ sig: sig.toString('base64'), keyid: signer.keyId }],
        };
        return !judge([signer.trusted], [tampered]).trusted;
      }),
      { numRuns: 300 },
    );
  });

  it('of any JSON are read without a crash, and none of them counts', () => {
    const almost = fc.record({
      payloadType: fc.oneof(fc.constant(IN_TOTO_TYPE), fc.string()),
      payload: fc.oneof(
        fc.base64String(),
        fc.json().map((text) => Buffer.from(text).toString('base64')),
      ),
      signatures: fc.array(
        fc.record({ sig: fc.base64String(), keyid: fc.oneof(fc.constant(signer.keyId), fc.string()) }),
      ),
    });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.string(),
          almost.map((value) => JSON.stringify(value)),
        ),
        (text) => {
          const envelope = parseEnvelope(text);
          return envelope === undefined || !judge([signer.trusted], [envelope]).trusted;
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
