import type { Knex } from 'knex';
import { forgetSettings, keyOf, type InstallKey } from './switch-version.ts';

const BATCH = 500;

interface ExpiredVersion extends InstallKey {
  version_id: string;
}

export type VersionSweepStore = ReturnType<typeof createVersionSweepStore>;

/** Versions that installs served before and need not keep any longer, with their config and grants. */
export function createVersionSweepStore(db: Knex) {
  const expired = (query: Knex): Knex.QueryBuilder =>
    query('tenant_extension_install_previous as p')
      .where('p.expires_at', '<=', db.fn.now())
      // One that is being gone back to stays until that is over.
      .whereNotExists(
        query('tenant_extension_install_change as n').whereRaw(
          'n.tenant_id = p.tenant_id and n.install_id = p.install_id',
        ),
      );

  return {
    /** How many `clear` would remove. */
    async count(): Promise<number> {
      const [row] = (await expired(db).count({ count: '*' })) as [{ count: number }];
      return row.count;
    },

    /** Removes some of them and answers how many; 0 once none is left. */
    async clear(): Promise<number> {
      return db.transaction(async (trx) => {
        const rows = (await expired(trx)
          .limit(BATCH)
          .forUpdate('p')
          .skipLocked()
          .select('p.tenant_id', 'p.install_id', 'p.version_id')) as ExpiredVersion[];
        for (const row of rows) {
          const own = keyOf(row);
          const { version_id } = row;
          await trx('tenant_extension_install_previous')
            .where({ ...own, version_id })
            .delete();
          await forgetSettings(trx, own, [version_id]);
        }
        return rows.length;
      });
    },
  };
}
