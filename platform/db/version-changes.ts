import type { Knex } from 'knex';
import type { Grant } from '../../core/capabilities.ts';
import { PlatformError } from '../../core/errors.ts';
import type { FailureReason, Step } from '../../core/progress.ts';
import { carrySettings, grantsAfterUpgrade, type Upgradable } from '../../core/upgrade.ts';
import { holdDraft, takeDraft } from './install-drafts.ts';
import { ended, lockInstall, refuseUnfit, refuseUnusable, type OpenChange } from './open-change.ts';
import {
  dropOldest,
  keyOf,
  switchBack,
  switchVersion,
  type ChangeRow,
  type InstallKey,
} from './switch-version.ts';
import { manifestOf, upgradableFrom } from './upgradable.ts';

export interface StageUpgrade {
  runId: string;
  draftId: string;
  consent: 'all' | readonly string[];
  narrowed?: readonly Grant[];
  grantedBy: string;
}

export interface KeptVersion {
  versionId: string;
  version: string;
  contentHash: string;
  status: 'published' | 'revoked';
  /** It was left by going back. */
  rolledBack: boolean;
}

export type VersionChangeStore = ReturnType<typeof createVersionChangeStore>;

/**
 * What an upgrade or a roll-back writes. It owns the row as every operation does, see install-lifecycle.ts; what its run has done is
 * undone by that run alone, or by whoever took the row from it. A repeat of each changes nothing. Errors: NOT_FOUND, OPERATION_RUNNING,
 * STATE_CONFLICT, SETTINGS_INVALID.
 */
export function createVersionChangeStore(db: Knex) {
  /** Runs with the install's row locked and the change of this run; throws OPERATION_RUNNING once the row is another's. */
  async function asOwner<Result>(
    tenantId: string,
    installId: string,
    runId: string,
    work: (trx: Knex.Transaction, change: ChangeRow | undefined) => Promise<Result>,
  ): Promise<Result> {
    return db.transaction(async (trx) => {
      const own = { tenant_id: tenantId, install_id: installId };
      const row = await lockInstall(trx, own);
      const change = await changeOf(trx, own);
      const isOurs = change?.run_id === runId;
      if (isOurs && row.operation?.runId !== runId) throw ended(row);
      return work(trx, isOurs ? change : undefined);
    });
  }

  return {
    /** Takes the row, and says which version it is on the way to. */
    async open(tenantId: string, installId: string, input: OpenChange): Promise<void> {
      const own = { tenant_id: tenantId, install_id: installId };
      const { kind, versionId, digest, operation, steps } = input;
      await db.transaction(async (trx) => {
        let row = await lockInstall(trx, own);
        if (row.operation?.runId === operation.runId) return;
        // What an undo that failed may have left.
        if (!row.operation && (await undoChange(trx, own))) row = await lockInstall(trx, own);
        refuseUnfit(row, input);
        await refuseUnusable(trx, own, kind, versionId);
        await trx('tenant_extension_install')
          .where(own)
          .update({
            operation: JSON.stringify(operation),
            pending_version_id: versionId,
            pending_digest: digest,
            waiting_for: null,
            steps: JSON.stringify(steps),
            error: null,
            updated_at: trx.fn.now(),
          });
        await trx('tenant_extension_install_change').insert({
          ...own,
          run_id: operation.runId,
          kind,
          from_version_id: row.active_version_id,
          to_version_id: versionId,
        });
        await holdDraft(trx, tenantId, installId);
      });
    },

    /** Versions that the install can go back to, the one that served last first. */
    async kept(tenantId: string, installId: string): Promise<KeptVersion[]> {
      return (await db('tenant_extension_install_previous as k')
        .join('extension_version as v', 'v.version_id', 'k.version_id')
        .where({ 'k.tenant_id': tenantId, 'k.install_id': installId })
        .whereRaw('(k.expires_at is null or k.expires_at > now())')
        .orderBy('k.superseded_at', 'desc')
        .select({
          versionId: 'v.version_id',
          version: 'v.version',
          contentHash: 'v.content_hash',
          status: 'v.status',
          rolledBack: 'k.rolled_back',
        })) as KeptVersion[];
    },

    /** The install as it is before the upgrade; config and grants are those of the version that it serves. */
    async upgradable(tenantId: string, installId: string): Promise<Upgradable> {
      const own = { tenant_id: tenantId, install_id: installId };
      const [row] = (await db('tenant_extension_install').where(own).select('active_version_id')) as {
        active_version_id: string;
      }[];
      if (!row) throw new PlatformError('NOT_FOUND', 'there is no such install');
      return upgradableFrom(db, own, row.active_version_id);
    },

    /**
     * Writes down what the next version will be granted and configured with; nothing of it is there for the one that serves. Answers the
     * paths of settings that have to be given, and has written nothing while there are any.
     */
    async stage(tenantId: string, installId: string, input: StageUpgrade): Promise<{ needed: string[] }> {
      return asOwner(tenantId, installId, input.runId, async (trx, change) => {
        if (!change) throw gone();
        if (change.config) return { needed: [] };
        const own = keyOf(change);
        const draft = await takeDraft(trx, tenantId, input.draftId);
        if (draft?.installId !== installId || draft.versionId !== change.to_version_id) {
          throw new PlatformError('STATE_CONFLICT', 'the request has expired; send it again');
        }
        const install = await upgradableFrom(trx, own, change.from_version_id);
        const next = await manifestOf(trx, change.to_version_id);
        const { config, aside, needed } = carrySettings(install, next, draft);
        if (needed.length > 0) return { needed };
        const grants = grantsAfterUpgrade(install, next, input.consent, input.narrowed);
        await trx('tenant_extension_install_change')
          .where(own)
          .update({
            config: JSON.stringify(config),
            aside: JSON.stringify(aside),
            grants: JSON.stringify(grants),
            secrets: JSON.stringify(draft.secrets ?? {}),
            granted_by: input.grantedBy,
          });
        return { needed };
      });
    },

    /** The version serves, with what was staged for it, in one transaction. */
    async switch(
      tenantId: string,
      installId: string,
      { runId, steps }: { runId: string; steps: Step[] },
    ): Promise<void> {
      await asOwner(tenantId, installId, runId, async (trx, change) => {
        if (!change) throw gone();
        if (change.switched) return;
        await switchVersion(trx, change);
        await trx('tenant_extension_install')
          .where(keyOf(change))
          .update({ steps: JSON.stringify(steps) });
      });
    },

    /** The change is done, and the operation has ended. */
    async finish(
      tenantId: string,
      installId: string,
      { runId, steps, draftId }: { runId: string; steps: Step[]; draftId?: string },
    ): Promise<void> {
      await asOwner(tenantId, installId, runId, async (trx, change) => {
        if (!change) return; // by an attempt before this one
        const own = keyOf(change);
        await trx('tenant_extension_install_change').where(own).delete();
        await dropOldest(trx, own);
        if (draftId !== undefined) {
          await trx('install_draft').where({ tenant_id: tenantId, draft_id: draftId }).delete();
        }
        await trx('tenant_extension_install')
          .where(own)
          .update({ operation: null, steps: JSON.stringify(steps), error: null, updated_at: trx.fn.now() });
      });
    },

    /** Undo of `switch`: the version before serves again. Whoever owns the row by now. */
    async switchBack(tenantId: string, installId: string, runId: string): Promise<void> {
      await undo(tenantId, installId, runId, async (trx, change) => {
        if (change.switched) await switchBack(trx, change);
      });
    },

    /** Undo of `open` and `stage`: nothing is on its way any more. What the draft held goes too. */
    async close(
      tenantId: string,
      installId: string,
      { runId, draftId }: { runId: string; draftId?: string },
    ): Promise<void> {
      await undo(tenantId, installId, runId, close);
      if (draftId !== undefined) {
        await db('install_draft').where({ tenant_id: tenantId, draft_id: draftId }).delete();
      }
    },

    /** The same of what another run left, for the operation that took the row from it. */
    async undoLeft(tenantId: string, installId: string, runId: string): Promise<void> {
      await db.transaction(async (trx) => {
        const own = { tenant_id: tenantId, install_id: installId };
        const { operation } = await lockInstall(trx, own);
        if (operation?.runId === runId) await undoChange(trx, own);
      });
    },

    /** Leaves the next version to wait, with no operation running. What is served stays. */
    async wait(
      tenantId: string,
      installId: string,
      input: { runId: string; versionId: string; waitingFor: 'consent' | 'settings'; steps: Step[] },
    ): Promise<void> {
      const { runId, versionId, waitingFor, steps } = input;
      await asOwner(tenantId, installId, runId, async (trx, change) => {
        const own = { tenant_id: tenantId, install_id: installId };
        if (!change) {
          const waits = { ...own, pending_version_id: versionId, waiting_for: waitingFor };
          if (await trx('tenant_extension_install').where(waits).first('install_id')) return;
          throw gone();
        }
        await trx('tenant_extension_install_change').where(own).delete();
        await trx('tenant_extension_install')
          .where(own)
          .update({
            operation: null,
            waiting_for: waitingFor,
            steps: JSON.stringify(steps),
            updated_at: trx.fn.now(),
          });
      });
    },

    /** Nobody waits for the version any more: it was declined, not decided on in time, or could not go on. */
    async withdraw(
      tenantId: string,
      installId: string,
      input: { versionId: string; digest: string; draftId: string; steps: Step[]; error?: FailureReason },
    ): Promise<void> {
      const own = { tenant_id: tenantId, install_id: installId };
      await db('tenant_extension_install')
        .where({ ...own, pending_version_id: input.versionId, pending_digest: input.digest })
        .whereNotNull('waiting_for')
        .whereNotNull('active_version_id')
        .update({
          pending_version_id: null,
          pending_digest: null,
          waiting_for: null,
          // What runs meanwhile shows its own.
          steps: db.raw('case when operation is null then ?::jsonb else steps end', [
            JSON.stringify(input.steps),
          ]),
          error: db.raw('case when operation is null then ?::jsonb else error end', [
            input.error ? JSON.stringify(input.error) : null,
          ]),
          updated_at: db.fn.now(),
        });
      await db('install_draft').where({ tenant_id: tenantId, draft_id: input.draftId }).delete();
    },
  };

  async function undo(
    tenantId: string,
    installId: string,
    runId: string,
    work: (trx: Knex.Transaction, change: ChangeRow) => Promise<void>,
  ): Promise<void> {
    await db.transaction(async (trx) => {
      const own = { tenant_id: tenantId, install_id: installId };
      await trx('tenant_extension_install').where(own).forUpdate().first('install_id');
      const change = await changeOf(trx, own);
      if (change?.run_id === runId) await work(trx, change);
    });
  }
}

/** Undoes a change whatever it came to, for whoever has the install's row locked and owns it. False if there is none. */
export async function undoChange(trx: Knex.Transaction, own: InstallKey): Promise<boolean> {
  const change = await changeOf(trx, own);
  if (!change) return false;
  if (change.switched) await switchBack(trx, change);
  await close(trx, change);
  return true;
}

async function changeOf(db: Knex, own: InstallKey): Promise<ChangeRow | undefined> {
  return (await db('tenant_extension_install_change').where(own).first()) as ChangeRow | undefined;
}

async function close(trx: Knex.Transaction, change: ChangeRow): Promise<void> {
  const own = keyOf(change);
  await trx('tenant_extension_install_change').where(own).delete();
  await trx('tenant_extension_install')
    .where({ ...own, pending_version_id: change.to_version_id, waiting_for: null })
    .whereNotNull('active_version_id')
    .update({ pending_version_id: null, pending_digest: null, updated_at: trx.fn.now() });
}

function gone(): PlatformError {
  return new PlatformError('STATE_CONFLICT', 'the change of versions has ended');
}
