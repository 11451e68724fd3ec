import type { Knex } from 'knex';
import type { FailureReason, InstallOperation, InstallStatus, Step } from '../../core/progress.ts';
import { undoChange } from './version-changes.ts';

const BATCH = 1_000;

/** An install on its way to serving, that is operated on, or has a version that waits for a person; unchanged for a while. */
export interface QuietInstall {
  tenantId: string;
  installId: string;
  extensionId: string;
  /** The one on its way; of an install that is operated on none. */
  versionId: string | null;
  status: InstallStatus;
  waitingFor: 'consent' | 'settings' | null;
  operation: InstallOperation | null;
  steps: Step[];
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
        // In the words of the index of those that a workflow owns.
        .whereRaw(
          "(operation is not null or waiting_for is not null or status in ('installing', 'awaiting-consent'))",
        )
        .whereRaw('updated_at < now() - ?::interval', [`${quietMs} ms`])
        .orderBy(['updated_at', 'install_id'])
        .limit(BATCH)
        .select({
          tenantId: 'tenant_id',
          installId: 'install_id',
          extensionId: 'extension_id',
          versionId: 'pending_version_id',
          status: 'status',
          waitingFor: 'waiting_for',
          operation: 'operation',
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
      { steps, error }: { steps: Step[]; error: FailureReason },
    ): Promise<boolean> {
      return db.transaction(async (trx) => {
        const own = { tenant_id: tenantId, install_id: installId };
        const updated = await trx('tenant_extension_install')
          .where(own)
          .whereIn('status', ['installing', 'awaiting-consent', 'awaiting-settings'])
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

    /** Ends an operation on an install that is there, the same way; what is served stays, or serves again if it was superseded. */
    async endQuietOperation(
      { tenantId, installId, updatedAt }: QuietInstall,
      { steps, error }: { steps: Step[]; error: FailureReason },
    ): Promise<boolean> {
      return db.transaction(async (trx) => {
        const own = { tenant_id: tenantId, install_id: installId };
        const updated = await trx('tenant_extension_install')
          .where(own)
          .whereNotNull('operation')
          .whereRaw('updated_at = ?::timestamptz', [updatedAt])
          .update({
            operation: null,
            steps: JSON.stringify(steps),
            error: JSON.stringify(error),
            updated_at: trx.fn.now(),
          });
        if (updated > 0) await undoChange(trx, own);
        return updated > 0;
      });
    },

    /** Takes back a version that waits for a person in the place of one that serves. */
    async endQuietWait(
      { tenantId, installId, updatedAt }: QuietInstall,
      { steps, error }: { steps: Step[]; error: FailureReason },
    ): Promise<boolean> {
      return db.transaction(async (trx) => {
        const own = { tenant_id: tenantId, install_id: installId };
        const updated = await trx('tenant_extension_install')
          .where({ ...own, operation: null })
          .whereNotNull('waiting_for')
          .whereNotNull('active_version_id')
          .whereRaw('updated_at = ?::timestamptz', [updatedAt])
          .update({
            waiting_for: null,
            pending_version_id: null,
            pending_digest: null,
            steps: JSON.stringify(steps),
            error: JSON.stringify(error),
            updated_at: trx.fn.now(),
          });
        if (updated > 0)
          await trx('install_draft')
            .where({ ...own, kind: 'upgrade' })
            .delete();
        return updated > 0;
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
