import type { RequestHandler, Response } from 'express';
import { PlatformError } from '../core/errors.ts';
import type { HeldPermission } from '../core/own-permission.ts';
import type { Permission } from '../core/permissions.ts';
import type { ApiKey } from '../platform/db/api-keys.ts';
import type { CallFacts } from '../platform/db/call-facts.ts';
import { parseApiKey } from '../platform/tokens/api-key.ts';
import { bearerOf, sameDigest } from '../platform/tokens/bearer.ts';

/** Who asks. The tenant of everything a request does comes from here and from nowhere else. */
export interface Principal {
  kind: 'api-key';
  tenantId: string;
  keyId: string;
  permissions: readonly Permission[];
  /** Of extensions' own. */
  extensionPermissions: readonly HeldPermission[];
  /** Of the key; nothing made with it lasts longer. */
  expiresAt?: Date;
}

interface AuthenticateDeps {
  callFacts: Pick<CallFacts, 'apiKey'>;
  /** Present time; tests move it. */
  now?: () => Date;
}

// Compared with when no row was found, so that an unknown key costs what a wrong one does. No secret has this digest.
const NO_DIGEST = Buffer.alloc(32);

/** Takes `Authorization: Bearer <API key>` and nothing else. Every reason to say no gives the same answer. */
export function createAuthenticate({ callFacts, now = () => new Date() }: AuthenticateDeps): RequestHandler {
  return async (req, res, next) => {
    const presented = parseApiKey(bearerOf(req.headers.authorization));
    if (!presented) throw unauthenticated();
    const key = await callFacts.apiKey(presented.keyId);
    const matches = sameDigest(presented.digest, key?.digest ?? NO_DIGEST);
    if (!key || !matches || isOver(key, now())) throw unauthenticated();
    const principal: Principal = {
      kind: 'api-key',
      tenantId: key.tenantId,
      keyId: key.keyId,
      permissions: key.permissions,
      extensionPermissions: key.extensionPermissions,
      ...(key.expiresAt && { expiresAt: key.expiresAt }),
    };
    res.locals['principal'] = principal;
    next();
  };
}

export function principalOf(res: Response): Principal {
  const principal = (res.locals as { principal?: Principal }).principal;
  if (!principal) throw new PlatformError('INTERNAL', 'the route was mounted without authentication');
  return principal;
}

export function hasPermission(principal: Principal, permission: Permission): boolean {
  return principal.permissions.includes(permission);
}

/** Lets through whoever holds one of the permissions. */
export function requirePermission(...permissions: [Permission, ...Permission[]]): RequestHandler {
  return (_req, res, next) => {
    const principal = principalOf(res);
    if (!permissions.some((permission) => hasPermission(principal, permission))) {
      throw new PlatformError('FORBIDDEN', `this needs the permission ${permissions.join(' or ')}`);
    }
    next();
  };
}

/** Whether a key opens nothing any more. */
export function isOver(
  { revokedAt, expiresAt }: Pick<ApiKey, 'revokedAt' | 'expiresAt'>,
  now: Date,
): boolean {
  return revokedAt !== undefined || (expiresAt !== undefined && expiresAt <= now);
}

export function unauthenticated(): PlatformError {
  return new PlatformError('UNAUTHENTICATED', 'send a valid API key as "Authorization: Bearer <key>"');
}
