import type { Knex } from 'knex';
import { PlatformError } from '../../core/errors.ts';
import { extensionAddress } from '../../core/ids.ts';
import type { FailureReason, InstallOperationKind } from '../../core/progress.ts';
import { TENANT_QUOTAS } from '../../core/quotas.ts';
import { createInTurn, quotaExceeded } from './tenant-quota.ts';

/** Config and sealed secrets on their way into an install. A secret of null is to be removed. */
export interface InstallDraft {
  draftId: string;
  installId: string;
  /** What was asked for with it. */
  kind: InstallOperationKind;
  /** Of the request; the same request has the same. */
  digest: string;
  /** The version of the install that it is for. */
  versionId: string;
  /** Absent: leave the config as it is. */
  config?: Record<string, unknown>;
  /** Absent: leave the secrets as they are. With `replaceSecrets` those not named are removed as well. */
  secrets?: Record<string, { sealed: string; keyId: string } | null>;
  replaceSecrets: boolean;
  /** Set the config to the version's defaults, whatever they are when the draft is applied. */
  reset: boolean;
  expiresAt: Date;
}

/** An install that was asked for and has no row yet, as its draft tells. */
export interface DraftedInstall {
  installId: string;
  extensionId: string;
  extension: string;
  versionId: string;
  version: string;
  contentHash: string;
  expired: boolean;
  createdAt: Date;
  expiresAt: Date;
}

interface DraftRow {
  tenant_id: string;
  draft_id: string;
  install_id: string;
  kind: InstallOperationKind;
  digest: string;
  version_id: string;
  reset: boolean;
  config: Record<string, unknown> | null;
  secrets: { entries: NonNullable<InstallDraft['secrets']>; replace: boolean } | null;
  expires_at: Date;
}

/** Stamps of what an install is configured with; each only rises. 0: never set. */
export interface ConfigStamps {
  configVersion: number;
  secretsVersion: number;
}

/** What an expired draft no longer holds. */
export const CLEARED = { config: null, secrets: null, digest: null } as const;

export type InstallDraftStore = ReturnType<typeof createInstallDraftStore>;

export function createInstallDraftStore(db: Knex) {
  const inTurn = createInTurn(db, 'drafts');
  return {
    /** The draft of the same request that is still good, if there is one. */
    async findByDigest(
      tenantId: string,
      digest: string,
    ): Promise<{ draftId: string; installId: string } | undefined> {
      return (await db('install_draft')
        .where({ tenant_id: tenantId, digest })
        .where('expires_at', '>', db.fn.now())
        .first({ draftId: 'draft_id', installId: 'install_id' })) as
        { draftId: string; installId: string } | undefined;
    },

    /**
     * False, and nothing is written, if the same request has a draft already. Throws QUOTA_EXCEEDED if the tenant has as many that are
     * good as it may.
     */
    async create(tenantId: string, draft: InstallDraft): Promise<boolean> {
      return inTurn(tenantId, async (trx) => {
        const same = { tenant_id: tenantId, digest: draft.digest };
        // Housekeeping clears what has expired; this one is in the way.
        await trx('install_draft').where(same).where('expires_at', '<=', trx.fn.now()).update(CLEARED);
        if ((await trx('install_draft').where(same).first('draft_id')) !== undefined) return false;
        await refuseOverQuota(trx, tenantId);
        await trx('install_draft').insert({
          tenant_id: tenantId,
          draft_id: draft.draftId,
          install_id: draft.installId,
          kind: draft.kind,
          digest: draft.digest,
          version_id: draft.versionId,
          reset: draft.reset,
          config: draft.config ? JSON.stringify(draft.config) : null,
          secrets: draft.secrets
            ? JSON.stringify({ entries: draft.secrets, replace: draft.replaceSecrets })
            : null,
          expires_at: draft.expiresAt,
        });
        return true;
      });
    },

    /** An install as it was asked for. Whether it has a row since is for the caller to know. */
    async findInstall(tenantId: string, installId: string): Promise<DraftedInstall | undefined> {
      const row = (await db('install_draft as d')
        .join('extension_version as v', 'v.version_id', 'd.version_id')
        .join('extension_registry as e', 'e.extension_id', 'v.extension_id')
        .where({ 'd.tenant_id': tenantId, 'd.install_id': installId, 'd.kind': 'install' })
        .first({
          installId: 'd.install_id',
          extensionId: 'e.extension_id',
          publisher: 'e.publisher_slug',
          name: 'e.name',
          versionId: 'v.version_id',
          version: 'v.version',
          contentHash: 'v.content_hash',
          expired: db.raw('d.expires_at <= now()'),
          createdAt: 'd.created_at',
          expiresAt: 'd.expires_at',
        })) as (Omit<DraftedInstall, 'extension'> & { publisher: string; name: string }) | undefined;
      if (!row) return undefined;
      const { publisher, name, ...drafted } = row;
      return { ...drafted, extension: extensionAddress(publisher, name) };
    },

    /**
     * Takes a draft back for good, so that whatever may still take it up finds nothing. False if it was applied before that.
     */
    async withdraw(tenantId: string, draftId: string): Promise<boolean> {
      const removed = await db('install_draft').where({ tenant_id: tenantId, draft_id: draftId }).delete();
      return removed > 0 || !(await wasApplied(db, tenantId, draftId));
    },

    wasApplied(tenantId: string, draftId: string): Promise<boolean> {
      return wasApplied(db, tenantId, draftId);
    },

    /** The stamps that a draft led to which was applied within the last day. */
    async stampsOf(tenantId: string, draftId: string): Promise<ConfigStamps | undefined> {
      return stampsOf(db, tenantId, draftId);
    },

    /** The draft of the version that waits for settings; undefined if none does. */
    async findHeld(tenantId: string, installId: string): Promise<HeldDraft | undefined> {
      const row = (await heldDraft(db, tenantId, installId).first('d.kind', 'd.config', 'd.secrets')) as
        Pick<DraftRow, 'kind' | 'config' | 'secrets'> | undefined;
      return row && toHeld(row);
    },

    /**
     * Puts more settings into the draft of a version that waits for them; secrets of null are removed. Throws STATE_CONFLICT if it no
     * longer waits.
     */
    async amend(
      tenantId: string,
      installId: string,
      given: Pick<InstallDraft, 'versionId' | 'config' | 'secrets'>,
    ): Promise<HeldDraft> {
      return db.transaction(async (trx) => {
        const row = (await heldDraft(trx, tenantId, installId)
          .where('d.version_id', given.versionId)
          .forUpdate()
          .first('d.draft_id', 'd.kind', 'd.config', 'd.secrets')) as DraftRow | undefined;
        if (!row) {
          throw new PlatformError(
            'STATE_CONFLICT',
            'the install no longer waits for settings; read it again',
          );
        }
        const config = { ...row.config, ...given.config };
        const entries = { ...row.secrets?.entries, ...given.secrets };
        const amended = {
          kind: row.kind,
          config,
          secrets: { entries, replace: row.secrets?.replace ?? false },
        };
        await trx('install_draft')
          .where({ tenant_id: tenantId, draft_id: row.draft_id })
          .update({ config: JSON.stringify(config), secrets: JSON.stringify(amended.secrets) });
        return toHeld(amended);
      });
    },

    /** Nothing will come of a change: it says why, and holds nothing any more. One that was applied stays so. */
    async fail(tenantId: string, draftId: string, reason: FailureReason): Promise<void> {
      await db('install_draft')
        .where({ tenant_id: tenantId, draft_id: draftId })
        .update({
          ...CLEARED,
          error: JSON.stringify(reason),
          expires_at: db.raw('least(expires_at, now())'),
        });
    },

    /** Nothing to remove is no error. */
    async remove(tenantId: string, draftId: string): Promise<void> {
      await db('install_draft').where({ tenant_id: tenantId, draft_id: draftId }).delete();
    },
  };
}

/** By the request that brought the version which waits; both rows are locked by `forUpdate`. */
function heldDraft(db: Knex, tenantId: string, installId: string): Knex.QueryBuilder {
  return db('tenant_extension_install as i')
    .join('install_draft as d', {
      'd.tenant_id': 'i.tenant_id',
      'd.install_id': 'i.install_id',
      'd.digest': 'i.pending_digest',
    })
    .where({ 'i.tenant_id': tenantId, 'i.install_id': installId, 'i.waiting_for': 'settings' })
    .whereRaw("d.kind in ('install', 'upgrade') and d.expires_at > now()");
}

function toHeld({ kind, config, secrets }: Pick<DraftRow, 'kind' | 'config' | 'secrets'>): HeldDraft {
  const entries = Object.entries(secrets?.entries ?? {});
  return {
    kind,
    config: config ?? {},
    secrets: Object.fromEntries(entries.map(([name, secret]) => [name, secret !== null])),
  };
}

async function refuseOverQuota(trx: Knex.Transaction, tenantId: string): Promise<void> {
  const [{ count }] = (await trx('install_draft')
    .where({ tenant_id: tenantId })
    .where('expires_at', '>', trx.fn.now())
    .count({ count: '*' })) as [{ count: number }];
  if (count < TENANT_QUOTAS.drafts) return;
  throw quotaExceeded(
    `the tenant has ${count} installs and changes that wait, the most it may have; decide on installs that await consent, or try again later`,
  );
}

/** What is known of an install whose version waits for settings. */
export interface HeldDraft {
  kind: InstallOperationKind;
  config: Record<string, unknown>;
  /** Names of the secrets it holds, and of those that it removes: false. */
  secrets: Record<string, boolean>;
}

/** From here on the operation, or the wait it leaves behind, removes the draft; it outlasts the week that a person may take. */
export async function holdDraft(db: Knex, tenantId: string, installId: string): Promise<void> {
  await db('install_draft')
    .where({ tenant_id: tenantId, install_id: installId })
    .whereRaw("kind in ('install', 'upgrade')") // in the words of their index
    .where('expires_at', '>', db.fn.now())
    .update({ expires_at: db.raw("now() + interval '8 days'") });
}

/** Whether the draft was applied within the last day. */
export async function wasApplied(db: Knex, tenantId: string, draftId: string): Promise<boolean> {
  const row = (await db('install_draft_applied')
    .where({ tenant_id: tenantId, draft_id: draftId })
    .first('draft_id')) as unknown;
  return row !== undefined;
}

export async function stampsOf(
  db: Knex,
  tenantId: string,
  draftId: string,
): Promise<ConfigStamps | undefined> {
  return (await db('install_draft_applied')
    .where({ tenant_id: tenantId, draft_id: draftId })
    .whereNotNull('config_version') // written by the release before
    .first({ configVersion: 'config_version', secretsVersion: 'secrets_version' })) as
    ConfigStamps | undefined;
}

/**
 * What an install was to begin with, once it has or never will: also what a repeat of its request brought that joined it after the
 * first draft was gone.
 */
export async function removeInstallDrafts(
  trx: Knex.Transaction,
  tenantId: string,
  installId: string,
): Promise<void> {
  await trx('install_draft').where({ tenant_id: tenantId, install_id: installId, kind: 'install' }).delete();
}

/** The draft if it is there and has not expired, locked for the transaction. */
export async function takeDraft(
  trx: Knex.Transaction,
  tenantId: string,
  draftId: string,
): Promise<InstallDraft | undefined> {
  const row = (await trx<DraftRow>('install_draft')
    .where({ tenant_id: tenantId, draft_id: draftId })
    .where('expires_at', '>', trx.fn.now())
    .forUpdate()
    .first()) as DraftRow | undefined;
  if (!row) return undefined;
  return {
    draftId: row.draft_id,
    installId: row.install_id,
    kind: row.kind,
    digest: row.digest,
    versionId: row.version_id,
    reset: row.reset,
    ...(row.config && { config: row.config }),
    ...(row.secrets && { secrets: row.secrets.entries }),
    replaceSecrets: row.secrets?.replace ?? false,
    expiresAt: row.expires_at,
  };
}
