import { createHash, timingSafeEqual } from 'node:crypto';
import { PlatformError } from '../../core/errors.ts';
import type { SecretValue } from '../../core/secret-value.ts';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Checks the service credential of whoever calls the private listener; throws UNAUTHENTICATED. Takes the same time for any wrong one. */
export function createCredentialCheck(token: SecretValue): (authorization: string | undefined) => void {
  const expected = digest(`Bearer ${token.reveal()}`);
  return (authorization) => {
    if (!timingSafeEqual(digest(authorization ?? ''), expected)) {
      throw new PlatformError('UNAUTHENTICATED', 'the service credential is missing or wrong');
    }
  };
}
