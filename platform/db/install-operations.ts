import type { Knex } from 'knex';
import type { Grant } from '../../core/capabilities.ts';
import { PlatformError } from '../../core/errors.ts';
import type { NarrowedGrant } from '../../core/grants.ts';
import type {
  FailureReason,
  InstallOperation,
  InstallStatus,
  InstallStepName,
  Step,
} from '../../core/progress.ts';
import { applyDraft, clearSettings, type AppliedDraft } from './apply-draft.ts';
import { holdDraft, removeInstallDrafts } from './install-drafts.ts';
import { narrowGrants } from './narrow-grants.ts';
import { showSteps, type ShownSteps } from './show-steps.ts';

type Steps = Step<InstallStepName>[];

export interface OpenInstall {
  installId: string;
  extensionId: string;
  versionId: string;
  /** Of the request; a repeat has the same. */
  digest: string;
  operation: InstallOperation;
  steps: Steps;
}

/** Ended installs and attempts of one extension in one tenant that stay to be looked at. */
const KEPT_ATTEMPTS = 10;

export type InstallOperationStore = ReturnType<typeof createInstallOperationStore>;

/** What operations write of an install. A repeat of each changes nothing, and a late attempt cannot take back an end. */
export function createInstallOperationStore(db: Knex) {
  const row = (tenantId: string, installId: string): Knex.QueryBuilder =>
    db('tenant_extension_install').where({ tenant_id: tenantId, install_id: installId });

  /** An install that has not come to serve and has not ended. */
  const beginning = (tenantId: string, installId: string): Knex.QueryBuilder =>
    row(tenantId, installId).whereIn('status', ['installing', 'awaiting-consent', 'awaiting-settings']);

  return {
    /**
     * Writes the row an install begins with, or takes it up again after a person's decision.
     * Throws INSTALL_EXISTS if another one of the extension is alive, STATE_CONFLICT if this one has ended or waits for another request.
     */
    async open(tenantId: string, input: OpenInstall): Promise<void> {
      const { installId, extensionId, versionId } = input;
      const running = {
        status: 'installing',
        waiting_for: null,
        steps: JSON.stringify(input.steps),
        operation: JSON.stringify(input.operation),
        updated_at: db.fn.now(),
      };
      const inserted = (await db('tenant_extension_install')
        .insert({
          tenant_id: tenantId,
          install_id: installId,
          extension_id: extensionId,
          pending_version_id: versionId,
          pending_digest: input.digest,
          ...running,
        })
        .onConflict()
        .ignore()
        .returning('install_id')) as unknown[];
      if (inserted.length === 0) await takeUp(db, tenantId, input, running);
      // Also by a repeat: the attempt that wrote the row may have been lost right after it.
      await holdDraft(db, tenantId, installId);
      await dropOldAttempts(db, tenantId, extensionId);
    },

    /** Leaves the pending version to wait, with no operation running. What is served stays. Throws STATE_CONFLICT if the row is another's. */
    async wait(
      tenantId: string,
      installId: string,
      versionId: string,
      { waitingFor, runId, steps }: ShownSteps & { waitingFor: 'consent' | 'settings' },
    ): Promise<void> {
      const updated = await row(tenantId, installId)
        .where({ pending_version_id: versionId })
        .whereRaw("operation->>'runId' = ?", [runId])
        .update({
          status: db.raw('case when active_version_id is null then ? else status end', [
            `awaiting-${waitingFor}`,
          ]),
          waiting_for: waitingFor,
          operation: null,
          steps: JSON.stringify(steps),
          updated_at: db.fn.now(),
        });
      if (updated > 0) return;
      const waits = (await row(tenantId, installId)
        .where({ pending_version_id: versionId, waiting_for: waitingFor })
        .first('install_id')) as unknown;
      if (!waits) throw ended('cannot wait');
    },

    /** Replaces the grants of the pending version, and shows the steps. */
    async grant(
      tenantId: string,
      installId: string,
      grants: readonly Grant[],
      grantedBy: string,
      shown?: ShownSteps,
    ): Promise<void> {
      await db.transaction(async (trx) => {
        const versionId = await lockPending(trx, tenantId, installId);
        if (versionId === undefined) throw ended('takes no grants');
        const own = { tenant_id: tenantId, install_id: installId, version_id: versionId };
        if (shown) await showSteps(trx, tenantId, installId, shown);
        await trx('tenant_extension_grant').where(own).delete();
        if (grants.length === 0) return;
        await trx('tenant_extension_grant').insert(
          grants.map(({ capability, scope }) => ({
            ...own,
            capability,
            scope: JSON.stringify(scope),
            granted_by: grantedBy,
          })),
        );
      });
    },

    /**
     * Leaves less of the grants of the version that the install has; a repeat changes nothing. Answers what is left. Throws
     * CONSENT_INVALID if that would be more, or less than the version requires.
     */
    narrowGrants(
      tenantId: string,
      installId: string,
      kept: { grants: readonly NarrowedGrant[]; grantedBy: string },
    ): Promise<Grant[]> {
      return narrowGrants(db, tenantId, installId, kept);
    },

    /** Undo of `grant`; nothing to revoke is no error. */
    async revokeGrants(tenantId: string, installId: string): Promise<void> {
      await db.raw(
        `delete from tenant_extension_grant g using tenant_extension_install i
          where g.tenant_id = :tenantId and g.install_id = :installId
            and i.tenant_id = g.tenant_id and i.install_id = g.install_id and g.version_id = i.pending_version_id`,
        { tenantId, installId },
      );
    },

    /**
     * Applies config and secrets of a draft, after checking them against the version it is for, and shows the steps. A repeat for the
     * same draft answers the stamps it led to. One of an install that lacks settings is left as it is, and what is needed is answered. Throws STATE_CONFLICT if the draft has expired or its version is no longer this install's,
     * SETTINGS_INVALID.
     */
    applyDraft(
      tenantId: string,
      installId: string,
      draftId: string,
      shown?: ShownSteps,
    ): Promise<AppliedDraft> {
      return applyDraft(db, tenantId, { installId, draftId }, shown);
    },

    /** Undo of `applyDraft` in an install that never served; nothing to clear is no error. */
    clearSettings(tenantId: string, installId: string): Promise<void> {
      return clearSettings(db, tenantId, installId);
    },

    /** Makes the pending version the one that serves. Throws STATE_CONFLICT if the install has ended otherwise. */
    async activate(tenantId: string, installId: string, versionId: string, steps: Steps): Promise<void> {
      const updated = await row(tenantId, installId)
        .where({ status: 'installing', pending_version_id: versionId })
        .update({
          status: 'active',
          active_version_id: versionId,
          pending_version_id: null,
          pending_digest: null,
          waiting_for: null,
          operation: null,
          steps: JSON.stringify(steps),
          error: null,
          updated_at: db.fn.now(),
        });
      if (updated > 0) return;
      const serves = (await row(tenantId, installId)
        .where({ status: 'active', active_version_id: versionId })
        .first('install_id')) as unknown;
      if (!serves) throw ended('cannot be activated');
    },

    /** Undo of the first `activate`; an install that is not active is left as it is. */
    async deactivate(tenantId: string, installId: string): Promise<void> {
      await row(tenantId, installId)
        .where({ status: 'active' })
        .update({
          status: 'installing',
          pending_version_id: db.ref('active_version_id'),
          active_version_id: null,
          updated_at: db.fn.now(),
        });
    },

    /** Ends an install that never served; its drafts go with it, and records that its probe may have written. The first end stays. */
    async end(
      tenantId: string,
      installId: string,
      end: { steps: Steps } & ({ status: 'failed'; error: FailureReason } | { status: 'declined' }),
    ): Promise<void> {
      await db.transaction(async (trx) => {
        const updated = await beginning(tenantId, installId)
          .transacting(trx)
          .update({
            status: end.status,
            waiting_for: null,
            operation: null,
            steps: JSON.stringify(end.steps),
            error: end.status === 'failed' ? JSON.stringify(end.error) : null,
            updated_at: trx.fn.now(),
          });
        if (updated === 0) return;
        await trx('extension_storage_record').where({ tenant_id: tenantId, install_id: installId }).delete();
        await removeInstallDrafts(trx, tenantId, installId);
      });
    },
  };
}

async function takeUp(
  db: Knex,
  tenantId: string,
  { installId, versionId, digest }: OpenInstall,
  running: Record<string, unknown>,
): Promise<void> {
  const row = (): Knex.QueryBuilder =>
    db('tenant_extension_install').where({ tenant_id: tenantId, install_id: installId });
  await row()
    .where({ pending_version_id: versionId, pending_digest: digest })
    .whereIn('status', ['awaiting-consent', 'awaiting-settings'])
    .update(running);
  const own = (await row().first('status', 'pending_version_id')) as
    { status: InstallStatus; pending_version_id: string | null } | undefined;
  if (!own) {
    throw new PlatformError('INSTALL_EXISTS', 'the extension is installed in this tenant already');
  }
  if (own.status !== 'installing' || own.pending_version_id !== versionId) {
    throw new PlatformError('STATE_CONFLICT', `the install is ${own.status}`);
  }
  // The row is this run's from here on; and housekeeping, which looked before it had begun, cannot end the row for want of one.
  const touched = await row().where({ status: 'installing' }).update(running);
  if (touched === 0) throw new PlatformError('STATE_CONFLICT', 'the install has ended');
}

async function lockPending(
  trx: Knex.Transaction,
  tenantId: string,
  installId: string,
): Promise<string | undefined> {
  const found = (await trx('tenant_extension_install')
    .where({ tenant_id: tenantId, install_id: installId })
    .forUpdate()
    .first('pending_version_id')) as { pending_version_id: string | null } | undefined;
  return found?.pending_version_id ?? undefined;
}

/** An install that fails again and again leaves no more than its last attempts. */
async function dropOldAttempts(db: Knex, tenantId: string, extensionId: string): Promise<void> {
  await db('tenant_extension_install')
    .where({ tenant_id: tenantId })
    .whereIn(
      'install_id',
      db('tenant_extension_install')
        .where({ tenant_id: tenantId, extension_id: extensionId })
        // What was uninstalled holds something until it is purged.
        .whereRaw("(status in ('failed', 'declined') or (status = 'uninstalled' and purge_at is null))")
        .orderBy('created_at', 'desc')
        .offset(KEPT_ATTEMPTS)
        .select('install_id'),
    )
    .delete();
}

function ended(what: string): PlatformError {
  return new PlatformError('STATE_CONFLICT', `the install has ended and ${what}`);
}
