import type { Knex } from 'knex';

/** Of the classes of advisory locks, that of contents. */
const CONTENT = 0x636f6e74;

/** Held until the transaction ends: who begins to want what is stored of a content, and who removes it, come one after the other. */
export async function lockContent(trx: Knex.Transaction, contentHash: string): Promise<void> {
  await trx.raw('select pg_advisory_xact_lock(?, hashtext(?))', [CONTENT, contentHash]);
}
