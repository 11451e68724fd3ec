import type { Knex } from 'knex';
import type { FailureReason, InstallStepName, Step } from '../../core/progress.ts';

const BATCH = 1_000;

/** An install on its way to serving that has not changed for a while. */
export interface QuietInstall {
  tenantId: string;
  installId: string;
  extensionId: string;
  versionId: string;
  status: 'installing' | 'awaiting-consent';
  steps: Step<InstallStepName>[];
  /** As the database writes it: a Date would lose the microseconds. */
  updatedAt: string;
}

export type InstallSweepStore = ReturnType<typeof createInstallSweepStore>;

/** Installs that a workflow should own. */
export function createInstallSweepStore(db: Knex) {
  return {
    /** A page of those that last changed `quietMs` ago or earlier, the quietest first. */
    async listQuiet(quietMs: number, after?: QuietInstall): Promise<QuietInstall[]> {
      const query = db('tenant_extension_install')
        .whereIn('status', ['installing', 'awaiting-consent'])
        .whereRaw('updated_at < now() - ?::interval', [`${quietMs} ms`])
        .orderBy(['updated_at', 'install_id'])
        .limit(BATCH)
        .select({
          tenantId: 'tenant_id',
          installId: 'install_id',
          extensionId: 'extension_id',
          versionId: 'pending_version_id',
          status: 'status',
          steps: 'steps',
          updatedAt: db.raw('updated_at::text'),
        });
      if (after) {
        void query.whereRaw('(updated_at, install_id) > (?::timestamptz, ?::uuid)', [
          after.updatedAt,
          after.installId,
        ]);
      }
      return (await query) as QuietInstall[];
    },

    /**
     * Ends an install that has not changed since it was listed, as its workflow would have after undoing everything; false if it has
     * changed. It never served, so nothing of it stays but the row.
     */
    async endQuiet(
      { tenantId, installId, updatedAt }: QuietInstall,
      { steps, error }: { steps: Step<InstallStepName>[]; error: FailureReason },
    ): Promise<boolean> {
      return db.transaction(async (trx) => {
        const own = { tenant_id: tenantId, install_id: installId };
        const updated = await trx('tenant_extension_install')
          .where(own)
          .whereIn('status', ['installing', 'awaiting-consent'])
          .whereRaw('updated_at = ?::timestamptz', [updatedAt])
          .update({
            status: 'failed',
            waiting_for: null,
            operation: null,
            steps: JSON.stringify(steps),
            error: JSON.stringify(error),
            updated_at: trx.fn.now(),
          });
        if (updated === 0) return false;
        for (const table of LEFT_BY_STEPS) await trx(table).where(own).delete();
        return true;
      });
    },
  };
}

const LEFT_BY_STEPS = [
  'install_draft',
  'tenant_extension_grant',
  'tenant_extension_install_config',
  'tenant_extension_install_secrets',
  'extension_storage_record',
] as const;
