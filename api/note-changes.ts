import type { RequestHandler } from 'express';
import type { CallFacts } from '../platform/db/call-facts.ts';
import { hasPermission, principalOf } from './principal.ts';

const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Who is answered that something is changed can rely on it with the next call. An operator's change may be of any tenant. */
export function noteChanges({ changing }: Pick<CallFacts, 'changing'>): RequestHandler {
  return (req, res, next) => {
    if (!READS.has(req.method)) {
      const principal = principalOf(res);
      res.once(
        'close',
        changing(hasPermission(principal, 'platform:operate') ? undefined : principal.tenantId),
      );
    }
    next();
  };
}
