import type { RequestHandler } from 'express';
import { PlatformError } from '../../core/errors.ts';
import type { SecretValue } from '../../core/secret-value.ts';
import { bearerOf, sameSecret } from '../../platform/tokens/bearer.ts';

/** Which of our own processes asks. */
export type Service = 'runner' | 'worker';

export interface ServiceCredentials {
  runner: SecretValue;
  worker: SecretValue;
}

/**
 * Lets one of our services through: 401 without a credential of ours, 403 with the other service's. `x-runner-auth` is what older
 * callers send in place of `Authorization`.
 */
export function requireService(credentials: ServiceCredentials, allowed: Service): RequestHandler {
  return (req, _res, next) => {
    const presented = req.get('x-runner-auth') ?? bearerOf(req.headers.authorization);
    // Both are compared, always, so that the time tells nothing.
    const isRunner = sameSecret(presented, credentials.runner.reveal());
    const isWorker = sameSecret(presented, credentials.worker.reveal());
    if (!isRunner && !isWorker) {
      throw new PlatformError('UNAUTHENTICATED', 'this route takes a service credential');
    }
    if (!(allowed === 'runner' ? isRunner : isWorker)) {
      throw new PlatformError('FORBIDDEN', `this route is for the ${allowed}`);
    }
    next();
  };
}
