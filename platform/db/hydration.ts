import { createHash } from 'node:crypto';
import type { Knex } from 'knex';
import { scopeAllows, type CapabilityName, type Grant } from '../../core/capabilities.ts';
import { isExtensionRef, isUuid } from '../../core/ids.ts';
import type { Manifest } from '../../core/manifest/manifest.ts';
import type { InstallStatus, VersionStatus } from '../../core/progress.ts';
import { LIVE } from './installs.ts';

export interface HydratedEndpoint {
  method: string;
  path: string;
  permission: string;
  /** Of the request, that the install may be given beside those that all are given. */
  headers: readonly string[];
  timeoutMs: number | null;
  /** Whether a call may be run once more of which nobody knows whether it ran. */
  retryable: boolean;
}

/** Everything one execution needs to know of an install and one of its versions. */
export interface HydratedInstall {
  tenantId: string;
  installId: string;
  extensionId: string;
  status: InstallStatus;
  /** Whether this version is the one that serves. */
  isActiveVersion: boolean;
  versionId: string;
  versionStatus: VersionStatus;
  contentHash: string;
  limits: Manifest['limits'];
  endpoints: HydratedEndpoint[];
  config: Record<string, unknown>;
  configVersion: number;
  /** Without those that are switched off. */
  grants: Grant[];
  /** Capabilities that are switched off for the tenant. */
  off: readonly CapabilityName[];
  secrets: { name: string; sealed: string; keyId: string }[];
  secretsVersion: number;
}

interface HydrationRow {
  tenant_id: string;
  install_id: string;
  extension_id: string;
  status: InstallStatus;
  active_version_id: string | null;
  secrets_version: number;
  version_id: string;
  version_status: VersionStatus;
  content_hash: string;
  limits: Manifest['limits'];
  config: Record<string, unknown> | null;
  config_version: number | null;
  endpoints: (Omit<HydratedEndpoint, 'headers'> & { headers: string[] | null })[] | null;
  grants: Grant[] | null;
  off: CapabilityName[];
  secrets: HydratedInstall['secrets'] | null;
  staged_secrets?: Record<string, { sealed: string; keyId: string } | null> | null;
}

const GRANTS = `(select jsonb_agg(jsonb_build_object('capability', g.capability, 'scope', g.scope) order by g.capability)
       from tenant_extension_grant g
      where g.tenant_id = i.tenant_id and g.install_id = i.install_id and g.version_id = v.version_id)`;

const selectWith = (settings: string): string => `
  select i.tenant_id, i.install_id, i.extension_id, i.status, i.active_version_id, i.secrets_version,
    v.version_id, v.status as version_status, v.content_hash, v.manifest->'limits' as limits,
    (select jsonb_agg(jsonb_build_object('method', p.method, 'path', p.path, 'permission', p.permission, 'headers', p.headers,
                                         'timeoutMs', p.timeout_ms, 'retryable', p.retryable) order by p.position)
       from extension_api_endpoint p where p.version_id = v.version_id) as endpoints,
    (select t.capabilities_off from tenant t where t.tenant_id = i.tenant_id) as off,
    (select jsonb_agg(jsonb_build_object('name', s.name, 'sealed', s.sealed, 'keyId', s.key_id) order by s.name)
       from tenant_extension_install_secrets s
      where s.tenant_id = i.tenant_id and s.install_id = i.install_id) as secrets,
    ${settings}
  from tenant_extension_install i`;

const SELECT = selectWith(`c.config, c.version as config_version, ${GRANTS} as grants`);
/** The same for a version that may be on its way: with what it will be configured with, and the stamps that this will get. */
const SELECT_STAGED = selectWith(`
    coalesce(n.config, c.config) as config, coalesce(n.grants, ${GRANTS}) as grants, n.secrets as staged_secrets,
    case when n.config is null then c.version else i.config_version + 1 end as config_version`);

const ACTIVE = 'join extension_version v on v.version_id = i.active_version_id';
// After the version is joined: config and grants are that version's.
const CONFIG = `left join tenant_extension_install_config c
    on c.tenant_id = i.tenant_id and c.install_id = i.install_id and c.version_id = v.version_id`;

const STAGED = `left join tenant_extension_install_change n
    on n.tenant_id = i.tenant_id and n.install_id = i.install_id and n.to_version_id = v.version_id and not n.switched`;

export type HydrationStore = ReturnType<typeof createHydrationStore>;

/** Reads all that a call needs in one round trip. */
export function createHydrationStore(db: Knex) {
  async function first(
    joins: string,
    where: string,
    bindings: Record<string, string>,
    staged = false,
  ): Promise<HydratedInstall | undefined> {
    const sql = `${staged ? SELECT_STAGED : SELECT} ${joins} ${CONFIG} ${staged ? STAGED : ''} where ${where}`;
    // Named, so that each connection plans it once: planning takes longer than running it.
    const name = createHash('sha256').update(sql).digest('hex').slice(0, 40);
    const query = db.raw<{ rows: HydrationRow[] }>(sql, bindings);
    const { rows } = await query.options({ name: `hydrate-${name}` });
    return rows[0] && toHydrated(rows[0]);
  }

  return {
    /** The install that serves an extension (registry UUID or `publisher.name`) in a tenant, with its active version. */
    async byExtension(tenantId: string, ref: string): Promise<HydratedInstall | undefined> {
      if (isUuid(ref)) {
        return first(ACTIVE, `i.tenant_id = :tenantId and i.extension_id = :ref and i.${LIVE}`, {
          tenantId,
          ref,
        });
      }
      if (!isExtensionRef(ref)) return undefined;
      const dot = ref.indexOf('.');
      return first(
        `${ACTIVE} join extension_registry e on e.extension_id = i.extension_id`,
        `i.tenant_id = :tenantId and e.publisher_slug = :publisher and e.name = :name and i.${LIVE}`,
        { tenantId, publisher: ref.slice(0, dot), name: ref.slice(dot + 1) },
      );
    },

    /** Any version of the install's extension, serving or not; without one the active version. */
    async byInstall(
      tenantId: string,
      installId: string,
      versionId?: string,
    ): Promise<HydratedInstall | undefined> {
      const where = 'i.tenant_id = :tenantId and i.install_id = :installId';
      if (versionId === undefined) return first(ACTIVE, where, { tenantId, installId });
      return first(
        'join extension_version v on v.extension_id = i.extension_id and v.version_id = :versionId',
        where,
        { tenantId, installId, versionId },
        true,
      );
    },

    /**
     * The UI of a bundle, if some install serves that version of the extension, or did a day ago; which tenant's does not matter, assets are
     * public.
     */
    async servedUi(extensionId: string, contentHash: string): Promise<Manifest['ui']> {
      const row = (await db('extension_version as v')
        .where({ 'v.content_hash': contentHash, 'v.extension_id': extensionId, 'v.status': 'published' })
        // Written out: the index of serving installs is found by these words.
        .whereRaw(
          `(exists (select from tenant_extension_install i
                     where i.active_version_id = v.version_id and i.status in ('active', 'paused'))
             or exists (select from tenant_extension_install_previous p
                          join tenant_extension_install i using (tenant_id, install_id)
                         where p.version_id = v.version_id and p.superseded_at > now() - interval '1 day'
                           and i.status in ('active', 'paused')))`,
        )
        .first({ ui: db.raw("v.manifest->'ui'") })) as { ui: Manifest['ui'] | null } | undefined;
      return row?.ui ?? undefined;
    },
  };
}

function toHydrated(row: HydrationRow): HydratedInstall {
  const grants = (row.grants ?? []).filter(({ capability }) => !row.off.includes(capability));
  const headers = grants.find(({ capability }) => capability === 'headers.read')?.scope;
  const mayRead = (name: string): boolean => headers !== undefined && scopeAllows(headers, 'names', name);
  return {
    tenantId: row.tenant_id,
    installId: row.install_id,
    extensionId: row.extension_id,
    status: row.status,
    isActiveVersion: row.active_version_id === row.version_id,
    versionId: row.version_id,
    versionStatus: row.version_status,
    contentHash: row.content_hash,
    limits: row.limits,
    endpoints: (row.endpoints ?? []).map((endpoint) => ({
      ...endpoint,
      headers: endpoint.headers?.filter(mayRead) ?? [],
    })),
    config: row.config ?? {},
    configVersion: row.config_version ?? 0,
    grants,
    off: row.off,
    ...secretsOf(row),
  };
}

/** Those that are set, with those on their way put over them. */
function secretsOf({
  secrets,
  staged_secrets: staged,
  secrets_version: secretsVersion,
}: HydrationRow): Pick<HydratedInstall, 'secrets' | 'secretsVersion'> {
  const set = secrets ?? [];
  const given = Object.entries(staged ?? {});
  if (given.length === 0) return { secrets: set, secretsVersion };
  const kept = set.filter(({ name }) => !given.some(([changed]) => changed === name));
  const changed = given.flatMap(([name, secret]) => (secret ? [{ name, ...secret }] : []));
  return { secrets: [...kept, ...changed], secretsVersion: secretsVersion + 1 };
}
