import type { Knex } from 'knex';

/** Rows removed by one statement: other calls of the tenant wait no longer for it than for a page. */
const BATCH = 500;
/** What an install is configured with, in one transaction. */
const SETTINGS = [
  'install_draft',
  'tenant_extension_grant',
  'tenant_extension_install_config',
  'tenant_extension_install_secrets',
  'tenant_extension_install_previous',
  'tenant_extension_install_change',
] as const;

/** An install whose data is due to be removed. */
export interface DuePurge {
  tenantId: string;
  installId: string;
}

export type PurgeStore = ReturnType<typeof createPurgeStore>;

/** The end of an uninstalled install's data. `purge_at` stands until nothing is left. */
export function createPurgeStore(db: Knex) {
  const own = (tenantId: string, installId: string): { tenant_id: string; install_id: string } => ({
    tenant_id: tenantId,
    install_id: installId,
  });
  const uninstalled = (tenantId: string, installId: string): Knex.QueryBuilder =>
    db('tenant_extension_install')
      .where({ ...own(tenantId, installId), status: 'uninstalled' })
      .whereNotNull('purge_at');

  return {
    /** When the grace is over; undefined if there is nothing to purge. */
    async find(tenantId: string, installId: string): Promise<Date | undefined> {
      const row = (await uninstalled(tenantId, installId).first('purge_at')) as
        { purge_at: Date } | undefined;
      return row?.purge_at;
    },

    async hasten(tenantId: string, installId: string): Promise<void> {
      await uninstalled(tenantId, installId).update({
        purge_at: db.raw('least(purge_at, now())'),
        updated_at: db.fn.now(),
      });
    },

    /** From here on the install cannot be restored. False if it is not due, or not uninstalled any more. */
    async begin(tenantId: string, installId: string): Promise<boolean> {
      const begun = await uninstalled(tenantId, installId)
        .whereRaw("purge_at <= now() + interval '1 second'") // the workflow's clock is another machine's
        .update({ restores_to: null, updated_at: db.fn.now() });
      return begun > 0;
    },

    /** Some of its executions; 0 once none is left. */
    async removeExecutions(tenantId: string, installId: string): Promise<number> {
      const log = 'extension_execution_log';
      const key = ['tenant_id', 'started_at', 'execution_id'] as const;
      return db(log)
        .where({ tenant_id: tenantId })
        .whereIn([...key], db(log).where(own(tenantId, installId)).limit(BATCH).select(key))
        .delete();
    },

    /** The same of its records. */
    async removeRecords(tenantId: string, installId: string): Promise<number> {
      // By where they lie, in the order of an index: else PostgreSQL may read the whole table.
      const some = db('extension_storage_record')
        .where(own(tenantId, installId))
        .orderBy(['namespace', 'key'])
        .limit(BATCH)
        .select('ctid');
      return db('extension_storage_record').whereRaw('ctid = any(array(?))', [some]).delete();
    },

    async finish(tenantId: string, installId: string): Promise<void> {
      await db.transaction(async (trx) => {
        for (const table of SETTINGS) await trx(table).where(own(tenantId, installId)).delete();
        await uninstalled(tenantId, installId)
          .transacting(trx)
          .update({ purge_at: null, updated_at: trx.fn.now() });
      });
    },

    /** A page of those that have been due for that long. */
    async listOverdue(overdueMs: number, after?: DuePurge): Promise<DuePurge[]> {
      const query = db('tenant_extension_install')
        .where('status', 'uninstalled')
        .whereNotNull('purge_at')
        .whereRaw('purge_at < now() - ?::interval', [`${overdueMs} ms`])
        .orderBy(['tenant_id', 'install_id'])
        .limit(BATCH)
        .select({ tenantId: 'tenant_id', installId: 'install_id' });
      if (after)
        void query.whereRaw('(tenant_id, install_id) > (?::uuid, ?::uuid)', [
          after.tenantId,
          after.installId,
        ]);
      return (await query) as DuePurge[];
    },
  };
}
