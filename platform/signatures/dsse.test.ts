import { generateKeyPairSync, verify } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { keyIdOf, parseEnvelope, signEnvelope, verifyEnvelope } from './dsse.ts';

function setup() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const payload = Buffer.from('hello world');
  const envelope = signEnvelope(privateKey, keyIdOf(publicKey), 'http://example.com/HelloWorld', payload);
  return { publicKey, payload, envelope };
}

describe('a DSSE envelope', () => {
  it('is signed over the pre-authentication encoding of the specification', () => {
    const { publicKey, envelope } = setup();
    const signed = Buffer.from('DSSEv1 29 http://example.com/HelloWorld 11 hello world');
    const signature = Buffer.from(envelope.signatures[0]?.sig ?? '', 'base64');
    expect(verify(null, signed, publicKey, signature)).toBe(true);
  });

  it('gives its payload to who has the public key', () => {
    const { publicKey, payload, envelope } = setup();
    const parsed = parseEnvelope(JSON.stringify(envelope));
    expect(parsed && verifyEnvelope(publicKey, parsed, 'http://example.com/HelloWorld')).toEqual(payload);
  });

  it('is accepted if one of several signatures is by the key', () => {
    const { publicKey, envelope } = setup();
    const foreign = { keyid: 'other', sig: Buffer.alloc(64).toString('base64') };
    const both = { ...envelope, signatures: [foreign, ...envelope.signatures] };
    expect(verifyEnvelope(publicKey, both, envelope.payloadType)).toBeDefined();
  });

  it('is refused under another key, another type, or with another payload', () => {
    const { publicKey, envelope } = setup();
    const other = generateKeyPairSync('ed25519').publicKey;
    expect(verifyEnvelope(other, envelope, envelope.payloadType)).toBeUndefined();
    expect(verifyEnvelope(publicKey, envelope, 'text/plain')).toBeUndefined();
    const retyped = { ...envelope, payloadType: 'text/plain' };
    expect(verifyEnvelope(publicKey, retyped, 'text/plain')).toBeUndefined();
    const changed = { ...envelope, payload: Buffer.from('hello worle').toString('base64') };
    expect(verifyEnvelope(publicKey, changed, envelope.payloadType)).toBeUndefined();
  });

  it.each(['', 'null', '{}', '{"payloadType":"x","payload":"","signatures":[]}'])('is not %j', (json) => {
    expect(parseEnvelope(json)).toBeUndefined();
  });
});
