import { createHash, timingSafeEqual } from 'node:crypto';

/** The text after `Bearer `, or an empty one. */
export function bearerOf(authorization: string | undefined): string {
  return /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1] ?? '';
}

/** Compares in constant time; of digests of different lengths it is false. */
export function sameDigest(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && timingSafeEqual(a, b);
}

/** Whether two secrets are equal, in a time that tells nothing about either, their lengths included. */
export function sameSecret(a: string, b: string): boolean {
  return sameDigest(digestOf(a), digestOf(b));
}

/** sha256 of a secret with at least 128 random bits: a slow hash would add nothing. */
export function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
