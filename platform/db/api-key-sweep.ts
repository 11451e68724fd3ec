import type { Knex } from 'knex';

/** A key that is over can be seen in lists this long. */
const SHOWN_FOR = '90 days';
const BATCH = 1_000;

export type ApiKeySweepStore = ReturnType<typeof createApiKeySweepStore>;

/** Keys that opened something once and never will again. */
export function createApiKeySweepStore(db: Knex) {
  const over = (): Knex.QueryBuilder =>
    db('api_key as k')
      .whereRaw('(k.revoked_at is not null or k.expires_at is not null)') // as the index has them
      .whereRaw('least(k.revoked_at, k.expires_at) < now() - ?::interval', [SHOWN_FOR])
      // Seeding would make one of the starter's anew, and what was revoked would open again.
      .whereNot('k.created_by', 'starter')
      // Revoking a family goes from maker to made: a key stays for as long as one that it made.
      .whereNotExists(db('api_key as made').whereRaw('made.created_by = k.key_id').select(db.raw('1')));

  return {
    /** How many `remove` would remove at first. */
    async count(): Promise<number> {
      const [row] = (await over().count({ count: '*' })) as [{ count: number }];
      return row.count;
    },

    /** Removes some of them and answers how many. */
    async remove(): Promise<number> {
      return db('api_key').whereIn('key_id', over().select('k.key_id').limit(BATCH)).delete();
    },
  };
}
