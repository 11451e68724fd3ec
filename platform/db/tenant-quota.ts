import type { Knex } from 'knex';
import { PlatformError } from '../../core/errors.ts';

/** Runs what adds to a tenant's count after whatever else adds to it: its transaction sees everything that was added before. */
export type InTurn = <Result>(
  tenantId: string,
  add: (trx: Knex.Transaction) => Promise<Result>,
) => Promise<Result>;

/**
 * No number of requests at once passes a quota together, whichever gateways they reach. Those of one tenant in one process wait without
 * a connection, so that a rush of theirs leaves the pool to others.
 */
export function createInTurn(db: Knex, what: 'uploads' | 'drafts' | 'api-keys'): InTurn {
  const last = new Map<string, Promise<unknown>>();
  return async (tenantId, add) => {
    const before = last.get(tenantId);
    const mine = afterwards(before, () =>
      db.transaction(async (trx) => {
        await trx.raw('select pg_advisory_xact_lock(hashtextextended(?, 0))', [`${what}:${tenantId}`]);
        return add(trx);
      }),
    );
    last.set(tenantId, mine);
    try {
      return await mine;
    } finally {
      if (last.get(tenantId) === mine) last.delete(tenantId);
    }
  };
}

async function afterwards<Result>(
  before: Promise<unknown> | undefined,
  run: () => Promise<Result>,
): Promise<Result> {
  await before?.catch(() => undefined); // how it ended is its caller's affair
  return run();
}

export function quotaExceeded(message: string): PlatformError {
  return new PlatformError('QUOTA_EXCEEDED', message);
}
