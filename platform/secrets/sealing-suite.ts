import { createHash, generateKeyPairSync } from 'node:crypto';
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import { canonicalJson } from '../../core/canonical-json.ts';
import { SecretValue } from '../../core/secret-value.ts';

/** `SEALING_ALGORITHM` of core/execute.ts. */
export const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});

/** What a sealed secret is good for, and nothing else. */
export interface SecretBinding {
  tenantId: string;
  installId: string;
  name: string;
}

/** The binding as HPKE's `info` (the purpose) and additional data. */
export function sealingContext({ tenantId, installId, name }: SecretBinding): {
  info: Uint8Array<ArrayBuffer>;
  aad: Uint8Array<ArrayBuffer>;
} {
  const encode = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text));
  return {
    info: encode('alga-extension-secret-v1'),
    aad: encode(canonicalJson({ tenantId, installId, name })),
  };
}

export function decodeKey(base64: string): ArrayBuffer {
  return new Uint8Array(Buffer.from(base64, 'base64')).buffer;
}

/** Short name of a public key (base64): which private key opens what was sealed to it. */
export function secretsKeyId(publicKey: string): string {
  return createHash('sha256').update(Buffer.from(publicKey, 'base64')).digest('hex').slice(0, 16);
}

/** A new pair: base64 of the raw 32 bytes of each half. */
export function generateSecretsKeyPair(): { publicKey: string; privateKey: SecretValue } {
  const { x = '', d = '' } = generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' });
  const base64 = (raw: string): string => Buffer.from(raw, 'base64url').toString('base64');
  return { publicKey: base64(x), privateKey: new SecretValue(base64(d)) };
}
