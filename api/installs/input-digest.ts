import { createHmac, hkdfSync, type KeyObject } from 'node:crypto';
import { canonicalJson } from '../../core/canonical-json.ts';
import type { SecretChanges } from './write-draft.ts';

/** Hex digest of an operation's whole input. */
export type InputDigest = (input: unknown) => string;

/**
 * Tells whether two requests ask for the same, secrets included. Keyed, because the digest stands in histories: without the key nobody
 * can try values for a secret against it. Every gateway with the same private key gives the same digests.
 */
export function createInputDigest(privateKey: KeyObject): InputDigest {
  const material = privateKey.export({ type: 'pkcs8', format: 'der' });
  const key = Buffer.from(hkdfSync('sha256', material, '', 'alga-install-input-digest-v1', 32));
  return (input) => createHmac('sha256', key).update(canonicalJson(input)).digest('hex');
}

/** For the keyed digest alone. */
export function revealed(secrets: SecretChanges | undefined): Record<string, string | null> {
  return Object.fromEntries(
    Object.entries(secrets ?? {}).map(([name, value]) => [name, value && value.reveal()]),
  );
}
