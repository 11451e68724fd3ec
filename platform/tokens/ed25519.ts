import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';

/** Ed25519 private key from base64 of its PKCS#8 DER. */
export function readPrivateKey(base64: string): KeyObject {
  return createPrivateKey({ key: Buffer.from(base64, 'base64'), format: 'der', type: 'pkcs8' });
}

/** Ed25519 public key from base64 of its SPKI DER. */
export function readPublicKey(base64: string): KeyObject {
  return createPublicKey({ key: Buffer.from(base64, 'base64'), format: 'der', type: 'spki' });
}
