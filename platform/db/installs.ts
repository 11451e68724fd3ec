import type { Knex } from 'knex';
import { ALWAYS_GRANTED, type CapabilityName, type Grant } from '../../core/capabilities.ts';
import { extensionAddress } from '../../core/ids.ts';
import {
  INSTALL_ENDED,
  type FailureReason,
  type InstallOperation,
  type InstallStatus,
  type PendingVersion,
  type Step,
  type VersionStatus,
} from '../../core/progress.ts';
import { fetchPage, type Page, type PageRequest } from './page.ts';

/** A change of config or secrets that waits for its workflow, or will not be applied: then `error` says why. */
export interface ConfigChange {
  changeId: string;
  status: 'configuring' | 'failed';
  requestedAt: Date;
  error?: FailureReason;
}

/** Changes that an install shows. */
const CHANGES_SHOWN = 20;

/** One extension in one tenant, from its first step to its end; a reinstall is another one. */
export interface Install {
  tenantId: string;
  installId: string;
  extensionId: string;
  /** `publisher.name`. */
  extension: string;
  /** What calls are served by; absent while it never was active. */
  activeVersionId?: string;
  /** The version shown: the active one, else the one it was to serve. Config and grants are this version's. */
  versionId: string;
  version: string;
  contentHash: string;
  /** Entry file of its UI, as the manifest names it; absent if it has none. */
  uiEntry?: string;
  /** What is served; `quarantined` while the version that would be is not trusted, and `error` says why. */
  status: InstallStatus;
  /** What runs. */
  operation?: InstallOperation;
  pending?: PendingVersion;
  /** Identifies the request that brought the pending version. */
  pendingDigest?: string;
  /** Of the operation that runs, else of the last one. */
  steps: Step[];
  /** Why that operation failed. */
  error?: FailureReason;
  config?: Record<string, unknown>;
  /** Values of settings that the version does not have, from versions before it. */
  aside?: Record<string, unknown>;
  configVersion: number;
  secretsVersion: number;
  grants: Grant[];
  /** Of these, and of what every install has, the ones that the operator has switched off for the tenant; absent if there are none. */
  switchedOff?: CapabilityName[];
  /** Numbers of the versions that it can go back to, the one that served last first. */
  previousVersions: string[];
  /** The latest ones that are not applied, newest first; absent if there are none. */
  changes?: ConfigChange[];
  /** Of an uninstalled one: when what it holds is removed; absent once that is done. */
  purgeAt?: Date;
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
  operation: InstallOperation | null;
  pending_version_id: string | null;
  pending_version: string | null;
  pending_digest: string | null;
  waiting_for: PendingVersion['waitingFor'] | null;
  steps: Step[];
  error: FailureReason | null;
  version_status: VersionStatus;
  version_reason: FailureReason | null;
  config: Record<string, unknown> | null;
  aside: Record<string, unknown> | null;
  previous_versions: string[] | null;
  config_stamp: number | null;
  secrets_version: number;
  grants: Grant[] | null;
  off: CapabilityName[];
  changes: { changeId: string; requestedAt: string; expired: boolean; error: FailureReason | null }[] | null;
  purge_at: Date | null;
  created_at: Date;
  updated_at: Date;
}

/** Installs that are alive: at most one per tenant and extension. In the words of the index that holds it. */
export const LIVE = `status not in (${INSTALL_ENDED.map((status) => `'${status}'`).join(', ')})`;

export type InstallStore = ReturnType<typeof createInstallStore>;

/** Reads installs; what changes them is in install-operations.ts. */
export function createInstallStore(db: Knex) {
  const installs = (tenantId: string): Knex.QueryBuilder =>
    db('tenant_extension_install as i')
      .join('extension_registry as e', 'e.extension_id', 'i.extension_id')
      .joinRaw(
        'join extension_version v on v.version_id = coalesce(i.active_version_id, i.pending_version_id)',
      )
      .leftJoin('extension_version as p', 'p.version_id', 'i.pending_version_id')
      .leftJoin('tenant_extension_install_config as c', {
        'c.tenant_id': 'i.tenant_id',
        'c.install_id': 'i.install_id',
        'c.version_id': 'v.version_id',
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
        'c.aside',
        {
          config_stamp: 'c.version',
          pending_version: 'p.version',
          version_status: 'v.status',
          version_reason: 'v.status_reason',
          ui_entry: db.raw("v.manifest->'ui'->>'entry'"),
          grants:
            db.raw(`(select jsonb_agg(jsonb_build_object('capability', g.capability, 'scope', g.scope) order by g.capability)
          from tenant_extension_grant g
          where g.tenant_id = i.tenant_id and g.install_id = i.install_id and g.version_id = v.version_id)`),
          off: db.raw('(select t.capabilities_off from tenant t where t.tenant_id = i.tenant_id)'),
          previous_versions: db.raw(`(select jsonb_agg(o.version order by k.superseded_at desc)
          from tenant_extension_install_previous k join extension_version o on o.version_id = k.version_id
          where k.tenant_id = i.tenant_id and k.install_id = i.install_id and o.status = 'published'
            and (k.expires_at is null or k.expires_at > now()))`),
          changes: db.raw(
            `(select jsonb_agg(jsonb_build_object('changeId', d.draft_id, 'requestedAt', d.created_at, 'error', d.error,
                                                  'expired', d.expires_at <= now()) order by d.created_at desc)
          from (select * from install_draft d
                 where d.tenant_id = i.tenant_id and d.install_id = i.install_id and d.kind = 'configure'
                 order by d.created_at desc limit ?) d)`,
            [CHANGES_SHOWN],
          ),
        },
      );

  return {
    async find(tenantId: string, installId: string): Promise<Install | undefined> {
      const found = (await installs(tenantId).where('i.install_id', installId).first()) as
        InstallRow | undefined;
      return found && toInstall(found);
    },

    /** The live one. */
    async findByExtension(tenantId: string, extensionId: string): Promise<Install | undefined> {
      const found = (await installs(tenantId)
        .where('i.extension_id', extensionId)
        .whereRaw(`i.${LIVE}`)
        .first()) as InstallRow | undefined;
      return found && toInstall(found);
    },

    list(tenantId: string, page: PageRequest): Promise<Page<Install>> {
      return fetchPage(db, installs(tenantId), { time: 'i.created_at', id: 'i.install_id' }, page, toInstall);
    },

    /** Secrets that are set, with the time of the last change. Never values. */
    async secretNames(tenantId: string, installId: string): Promise<Record<string, Date>> {
      const rows = (await db('tenant_extension_install_secrets')
        .where({ tenant_id: tenantId, install_id: installId })
        .orderBy('name')
        .select('name', 'updated_at')) as { name: string; updated_at: Date }[];
      return Object.fromEntries(rows.map(({ name, updated_at }) => [name, updated_at]));
    },
  };
}

function toInstall(row: InstallRow): Install {
  const { pending_version_id: pendingId, pending_version: pending, waiting_for: waitingFor } = row;
  const grants = row.grants ?? [];
  const has = (name: CapabilityName): boolean =>
    ALWAYS_GRANTED.includes(name) || grants.some(({ capability }) => capability === name);
  const switchedOff = row.off.filter(has);
  // Not written into each of its rows: what the version is decides calls, at once and for all of its installs.
  const quarantined =
    row.version_status !== 'published' && (row.status === 'active' || row.status === 'paused');
  const error = quarantined ? row.version_reason : row.error;
  const ended = (INSTALL_ENDED as readonly InstallStatus[]).includes(row.status);
  return {
    tenantId: row.tenant_id,
    installId: row.install_id,
    extensionId: row.extension_id,
    extension: extensionAddress(row.publisher_slug, row.name),
    ...(row.active_version_id !== null && { activeVersionId: row.active_version_id }),
    versionId: row.version_id,
    version: row.version,
    contentHash: row.content_hash,
    ...(row.ui_entry !== null && { uiEntry: row.ui_entry }),
    status: quarantined ? 'quarantined' : row.status,
    ...(row.operation && { operation: row.operation }),
    ...(!ended &&
      pendingId !== null &&
      pending !== null && {
        pending: { versionId: pendingId, version: pending, ...(waitingFor && { waitingFor }) },
      }),
    ...(row.pending_digest !== null && { pendingDigest: row.pending_digest }),
    steps: row.steps,
    ...(error && { error }),
    ...(row.config && { config: row.config }),
    ...(row.aside && { aside: row.aside }),
    previousVersions: row.previous_versions ?? [],
    configVersion: row.config_stamp ?? 0,
    secretsVersion: row.secrets_version,
    grants,
    ...(switchedOff.length > 0 && { switchedOff }),
    ...(row.changes && { changes: row.changes.map(toChange) }),
    ...(row.purge_at && { purgeAt: row.purge_at }),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

function toChange({
  changeId,
  requestedAt,
  expired,
  error,
}: NonNullable<InstallRow['changes']>[number]): ConfigChange {
  const change = { changeId, requestedAt: new Date(requestedAt) };
  if (error) return { ...change, status: 'failed', error };
  if (!expired) return { ...change, status: 'configuring' };
  const message = 'no worker took the change up in time; send it again';
  return { ...change, status: 'failed', error: { code: 'OPERATION_EXPIRED', message } };
}
