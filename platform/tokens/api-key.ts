import { randomBytes } from 'node:crypto';
import { digestOf } from './bearer.ts';

const KEY = /^alga_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;

export interface GeneratedApiKey {
  /** Public half: finds the row. */
  keyId: string;
  /** `alga_<keyId>_<43 base64url>`: shown once, never stored. */
  key: string;
  /** sha256 of the secret half: what is stored. The half has 256 random bits, so a slow hash would add nothing. */
  digest: Buffer;
}

export function generateApiKey(): GeneratedApiKey {
  const keyId = randomBytes(8).toString('hex');
  const secret = randomBytes(32).toString('base64url');
  return { keyId, key: `alga_${keyId}_${secret}`, digest: digestOf(secret) };
}

/** Undefined if the text is no API key of ours. */
export function parseApiKey(text: string): { keyId: string; digest: Buffer } | undefined {
  const [, keyId, secret] = KEY.exec(text) ?? [];
  if (keyId === undefined || secret === undefined) return undefined;
  return { keyId, digest: digestOf(secret) };
}
