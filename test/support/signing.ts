import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { DsseEnvelope } from '../../core/dsse-envelope.ts';
import { DEFAULT_BUNDLE_LIMITS } from '../../core/tar/limits.ts';
import type { TrustKey } from '../../core/trust.ts';
import { unpackTarZst } from '../../platform/bundle/unpack.ts';
import { bundleStatement, type BundleFacts } from '../../platform/signatures/bundle-statement.ts';
import { IN_TOTO_TYPE, keyIdOf, signEnvelope } from '../../platform/signatures/dsse.ts';

/** A publisher's key pair, and the key as it is trusted. */
export interface Signer {
  privateKey: KeyObject;
  keyId: string;
  trusted: TrustKey;
  sign(facts: BundleFacts): DsseEnvelope;
}

export function newSigner(fields: Partial<TrustKey> = {}): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const keyId = keyIdOf(publicKey);
  const spki = publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
  return {
    privateKey,
    keyId,
    trusted: { keyId, publicKey: spki, publishers: ['*'], state: 'active', ...fields },
    sign: (facts) => signEnvelope(privateKey, keyId, IN_TOTO_TYPE, bundleStatement(facts, { id: 'test' })),
  };
}

export function sha256Hex(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** What is signed of a bundle. */
export async function bundleFacts(bundle: Uint8Array): Promise<BundleFacts> {
  for await (const entry of unpackTarZst(bundle, DEFAULT_BUNDLE_LIMITS)) {
    if (entry.path !== 'manifest.json') continue;
    const bytes = await entry.bytes();
    const { name, version } = JSON.parse(Buffer.from(bytes).toString()) as { name: string; version: string };
    return { contentHash: `sha256:${sha256Hex(bundle)}`, manifestSha256: sha256Hex(bytes), name, version };
  }
  throw new Error('the bundle has no manifest.json');
}
