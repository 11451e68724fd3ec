import type { Knex } from 'knex';
import type { Grant } from '../../core/capabilities.ts';
import { PlatformError } from '../../core/errors.ts';
import type { FailureReason, InstallStatus, InstallStepName, Step } from '../../core/progress.ts';
import { fetchPage, type Page, type PageRequest } from './page.ts';
import { applyDraft, clearSettings } from './install-settings.ts';

/** One extension in one tenant. */
export interface Install {
  tenantId: string;
  installId: string;
  extensionId: string;
  /** `publisher.name`. */
  extension: string;
  /** What calls are served by; absent while it never was active. */
  activeVersionId?: string;
  /** The version shown: the active one, else the one being installed. */
  versionId: string;
  version: string;
  contentHash: string;
  /** Entry file of its UI, as the manifest names it; absent if it has none. */
  uiEntry?: string;
  status: InstallStatus;
  steps: Step<InstallStepName>[];
  error?: FailureReason;
  config?: Record<string, unknown>;
  configVersion: number;
  secretsVersion: number;
  grants: Grant[];
  createdAt: Date;
  updatedAt: Date;
}

interface InstallRow {
  tenant_id: string;
  install_id: string;
  extension_id: string;
  publisher_slug: string;
  name: string;
  active_version_id: string | null;
  version_id: string;
  version: string;
  content_hash: string;
  ui_entry: string | null;
  status: InstallStatus;
  steps: Step<InstallStepName>[];
  error: FailureReason | null;
  config: Record<string, unknown> | null;
  config_version: number | null;
  secrets_version: number;
  grants: Grant[] | null;
  created_at: Date;
  updated_at: Date;
}

/** Statuses from which a new install may take the row up again. */
const REOPENABLE: readonly InstallStatus[] = ['failed', 'declined', 'uninstalled'];

export type InstallStore = ReturnType<typeof createInstallStore>;

export function createInstallStore(db: Knex) {
  const installs = (tenantId: string): Knex.QueryBuilder =>
    db('tenant_extension_install as i')
      .join('extension_registry as e', 'e.extension_id', 'i.extension_id')
      .joinRaw(
        'join extension_version v on v.version_id = coalesce(i.active_version_id, i.target_version_id)',
      )
      .leftJoin('tenant_extension_install_config as c', {
        'c.tenant_id': 'i.tenant_id',
        'c.install_id': 'i.install_id',
      })
      .where('i.tenant_id', tenantId)
      .select(
        'i.*',
        'e.publisher_slug',
        'e.name',
        'v.version_id',
        'v.version',
        'v.content_hash',
        'c.config',
        {
          config_version: 'c.version',
          ui_entry: db.raw("v.manifest->'ui'->>'entry'"),
          grants:
            db.raw(`(select jsonb_agg(jsonb_build_object('capability', g.capability, 'scope', g.scope) order by g.capability)
          from tenant_extension_grant g where g.tenant_id = i.tenant_id and g.install_id = i.install_id)`),
        },
      );

  const row = (tenantId: string, installId: string): Knex.QueryBuilder =>
    db('tenant_extension_install').where({ tenant_id: tenantId, install_id: installId });

  /** Changes the row only while an operation holds it, so that a late attempt cannot undo an end. */
  const runningRow = (tenantId: string, installId: string): Knex.QueryBuilder =>
    row(tenantId, installId).whereIn('status', ['installing', 'awaiting-consent']);

  return {
    async find(tenantId: string, installId: string): Promise<Install | undefined> {
      const found = (await installs(tenantId).where('i.install_id', installId).first()) as
        InstallRow | undefined;
      return found && toInstall(found);
    },

    async findByExtension(tenantId: string, extensionId: string): Promise<Install | undefined> {
      const found = (await installs(tenantId).where('i.extension_id', extensionId).first()) as
        InstallRow | undefined;
      return found && toInstall(found);
    },

    list(tenantId: string, page: PageRequest): Promise<Page<Install>> {
      return fetchPage(db, installs(tenantId), { time: 'i.created_at', id: 'i.install_id' }, page, toInstall);
    },

    /** Declared secrets that are set, with the time of the last change. Never values. */
    async secretNames(tenantId: string, installId: string): Promise<Record<string, Date>> {
      const rows = (await db('tenant_extension_install_secrets')
        .where({ tenant_id: tenantId, install_id: installId })
        .orderBy('name')
        .select('name', 'updated_at')) as { name: string; updated_at: Date }[];
      return Object.fromEntries(rows.map(({ name, updated_at }) => [name, updated_at]));
    },

    /**
     * Writes the row an install begins with, or takes up one that failed, was declined or uninstalled. A repeat changes nothing.
     * Throws INSTALL_EXISTS if the extension is installed, STATE_CONFLICT if another attempt wrote the row first.
     */
    async open(
      tenantId: string,
      input: { installId: string; extensionId: string; versionId: string; steps: Step<InstallStepName>[] },
    ): Promise<void> {
      const fresh = {
        target_version_id: input.versionId,
        status: 'installing',
        steps: JSON.stringify(input.steps),
        error: null,
        updated_at: db.fn.now(),
      };
      const written = (await db('tenant_extension_install')
        .insert({
          tenant_id: tenantId,
          install_id: input.installId,
          extension_id: input.extensionId,
          ...fresh,
        })
        .onConflict(['tenant_id', 'extension_id'])
        .merge(fresh)
        .whereIn('tenant_extension_install.status', REOPENABLE)
        .where('tenant_extension_install.install_id', input.installId)
        .returning('install_id')) as unknown[];
      if (written.length > 0) return;
      const found = (await db('tenant_extension_install')
        .where({ tenant_id: tenantId, extension_id: input.extensionId })
        .first('install_id', 'status', 'target_version_id')) as
        { install_id: string; status: InstallStatus; target_version_id: string } | undefined;
      const ours = found?.install_id === input.installId && found.target_version_id === input.versionId;
      if (ours && (found.status === 'installing' || found.status === 'awaiting-consent')) return;
      if (found && found.install_id !== input.installId && REOPENABLE.includes(found.status)) {
        throw new PlatformError(
          'STATE_CONFLICT',
          'another request began this install at the same moment; ask again',
        );
      }
      throw new PlatformError('INSTALL_EXISTS', 'the extension is installed in this tenant already');
    },

    async saveProgress(
      tenantId: string,
      installId: string,
      progress: { status: 'installing' | 'awaiting-consent'; steps: Step<InstallStepName>[] },
    ): Promise<void> {
      await runningRow(tenantId, installId).update({
        status: progress.status,
        steps: JSON.stringify(progress.steps),
        updated_at: db.fn.now(),
      });
    },

    /** Replaces the install's grants. A repeat gives the same. */
    async grant(
      tenantId: string,
      installId: string,
      grants: readonly Grant[],
      grantedBy: string,
    ): Promise<void> {
      await db.transaction(async (trx) => {
        await trx('tenant_extension_grant').where({ tenant_id: tenantId, install_id: installId }).delete();
        if (grants.length === 0) return;
        await trx('tenant_extension_grant').insert(
          grants.map(({ capability, scope }) => ({
            tenant_id: tenantId,
            install_id: installId,
            capability,
            scope: JSON.stringify(scope),
            granted_by: grantedBy,
          })),
        );
      });
    },

    /** Undo of `grant`; nothing to revoke is no error. */
    async revokeGrants(tenantId: string, installId: string): Promise<void> {
      await db('tenant_extension_grant').where({ tenant_id: tenantId, install_id: installId }).delete();
    },

    /** Applies settings and secrets of a draft. A repeat for the same draft answers the versions it led to. */
    applyDraft(
      tenantId: string,
      installId: string,
      draftId: string,
    ): Promise<{ configVersion: number; secretsVersion: number }> {
      return applyDraft(db, tenantId, installId, draftId);
    },

    /** Undo of `applyDraft` in an install; nothing to clear is no error. */
    clearSettings(tenantId: string, installId: string): Promise<void> {
      return clearSettings(db, tenantId, installId);
    },

    /** Makes the version the one that serves. A repeat changes nothing. Throws STATE_CONFLICT if the install has ended otherwise. */
    async activate(
      tenantId: string,
      installId: string,
      versionId: string,
      steps: Step<InstallStepName>[],
    ): Promise<void> {
      const updated = await row(tenantId, installId)
        .where({ target_version_id: versionId })
        .whereIn('status', ['installing', 'active'])
        .update({
          status: 'active',
          active_version_id: versionId,
          steps: JSON.stringify(steps),
          pending: null,
          error: null,
          updated_at: db.fn.now(),
        });
      if (updated === 0)
        throw new PlatformError('STATE_CONFLICT', 'the install has ended and cannot be activated');
    },

    /** Undo of the first `activate`; an install that is not active is left as it is. */
    async deactivate(tenantId: string, installId: string): Promise<void> {
      await row(tenantId, installId)
        .where({ status: 'active' })
        .update({ status: 'installing', active_version_id: null, updated_at: db.fn.now() });
    },

    /** Ends an install that did not become active. The first end stays. */
    async end(
      tenantId: string,
      installId: string,
      end: { steps: Step<InstallStepName>[] } & (
        { status: 'failed'; error: FailureReason } | { status: 'declined' }
      ),
    ): Promise<void> {
      await runningRow(tenantId, installId).update({
        status: end.status,
        steps: JSON.stringify(end.steps),
        error: end.status === 'failed' ? JSON.stringify(end.error) : null,
        updated_at: db.fn.now(),
      });
    },
  };
}

function toInstall(row: InstallRow): Install {
  return {
    tenantId: row.tenant_id,
    installId: row.install_id,
    extensionId: row.extension_id,
    extension: `${row.publisher_slug}.${row.name}`,
    ...(row.active_version_id !== null && { activeVersionId: row.active_version_id }),
    versionId: row.version_id,
    version: row.version,
    contentHash: row.content_hash,
    ...(row.ui_entry !== null && { uiEntry: row.ui_entry }),
    status: row.status,
    steps: row.steps,
    ...(row.error && { error: row.error }),
    ...(row.config && { config: row.config }),
    configVersion: row.config_version ?? 0,
    secretsVersion: row.secrets_version,
    grants: row.grants ?? [],
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
