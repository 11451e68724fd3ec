import type { Knex } from 'knex';

/** Settings and sealed secrets on their way into an install. A secret of null is to be removed. */
export interface InstallDraft {
  draftId: string;
  installId: string;
  /** The version of the install that the settings are for. */
  versionId: string;
  /** Absent: leave the settings as they are. */
  config?: Record<string, unknown>;
  /** Absent: leave the secrets as they are. With `replaceSecrets` those not named are removed as well. */
  secrets?: Record<string, { sealed: string; keyId: string } | null>;
  replaceSecrets: boolean;
  /** Set the config to the version's defaults, whatever they are when the draft is applied. */
  reset: boolean;
  expiresAt: Date;
}

interface DraftRow {
  tenant_id: string;
  draft_id: string;
  install_id: string;
  version_id: string;
  reset: boolean;
  config: Record<string, unknown> | null;
  secrets: { entries: NonNullable<InstallDraft['secrets']>; replace: boolean } | null;
  expires_at: Date;
}

export type InstallDraftStore = ReturnType<typeof createInstallDraftStore>;

export function createInstallDraftStore(db: Knex) {
  return {
    /** Also sweeps away drafts that have expired, of any tenant: nobody can use them. */
    async create(tenantId: string, draft: InstallDraft): Promise<void> {
      await db('install_draft').where('expires_at', '<', db.fn.now()).delete();
      await db('install_draft').insert({
        tenant_id: tenantId,
        draft_id: draft.draftId,
        install_id: draft.installId,
        version_id: draft.versionId,
        reset: draft.reset,
        config: draft.config ? JSON.stringify(draft.config) : null,
        secrets: draft.secrets
          ? JSON.stringify({ entries: draft.secrets, replace: draft.replaceSecrets })
          : null,
        expires_at: draft.expiresAt,
      });
    },

    /** Nothing to remove is no error. */
    async remove(tenantId: string, draftId: string): Promise<void> {
      await db('install_draft').where({ tenant_id: tenantId, draft_id: draftId }).delete();
    },
  };
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
    versionId: row.version_id,
    reset: row.reset,
    ...(row.config && { config: row.config }),
    ...(row.secrets && { secrets: row.secrets.entries }),
    replaceSecrets: row.secrets?.replace ?? false,
    expiresAt: row.expires_at,
  };
}
