import type { Knex } from 'knex';
import { INSTALL_ENDED } from '../../core/progress.ts';
import { CLEARED } from './install-drafts.ts';

/** An expired draft says for this long that nothing came of its request, and an applied one that something did. */
const TOLD_FOR = '1 day';
const BATCH = 1_000;

export type DraftSweepStore = ReturnType<typeof createDraftSweepStore>;

/** Drafts that nobody will apply. */
export function createDraftSweepStore(db: Knex) {
  const expired = (): Knex.QueryBuilder => db('install_draft').where('expires_at', '<=', db.fn.now());
  /** Of any tenant: what has expired nobody can use, so its secrets go at once; that it was there is told a while longer. */
  const held = (): Knex.QueryBuilder =>
    expired().where(
      (holds) => void holds.whereNotNull('config').orWhereNotNull('secrets').orWhereNotNull('digest'),
    );
  const told = (): Knex.QueryBuilder =>
    db('install_draft').whereRaw('expires_at < now() - ?::interval', [TOLD_FOR]);
  const applied = (): Knex.QueryBuilder =>
    db('install_draft_applied').whereRaw('applied_at < now() - ?::interval', [TOLD_FOR]);
  /** Of an install that ended while its draft was held for a person's consent: the workflow was stopped before it removed it. */
  const orphaned = (): Knex.QueryBuilder =>
    db('install_draft as d')
      .join('tenant_extension_install as i', {
        'i.tenant_id': 'd.tenant_id',
        'i.install_id': 'd.install_id',
      })
      .whereRaw("d.kind in ('install', 'upgrade')")
      .whereIn('i.status', INSTALL_ENDED);

  return {
    /** How many rows `clear` would change. */
    async count(): Promise<number> {
      let sum = 0;
      for (const rows of [held(), told(), applied(), orphaned()]) {
        const [row] = (await rows.count({ count: '*' })) as [{ count: number }];
        sum += row.count;
      }
      return sum;
    },

    /** Empties or removes some of them and answers how many rows it changed; 0 once nothing is left to do. */
    async clear(): Promise<number> {
      const some = (rows: Knex.QueryBuilder, of = 'install_draft'): Knex.QueryBuilder =>
        db(of).whereIn(['tenant_id', 'draft_id'], rows.limit(BATCH));
      const key = ['tenant_id', 'draft_id'] as const;
      const removed =
        (await some(told().select(key)).delete()) +
        (await some(orphaned().select('d.tenant_id', 'd.draft_id')).delete()) +
        (await some(applied().select(key), 'install_draft_applied').delete());
      const cleared = await some(held().select(key)).where('expires_at', '<=', db.fn.now()).update(CLEARED);
      return removed + cleared;
    },
  };
}
