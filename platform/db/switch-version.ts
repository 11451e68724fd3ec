import type { Knex } from 'knex';
import type { Grant } from '../../core/capabilities.ts';
import type { VersionChangeKind } from '../../core/progress.ts';

/** Versions before the one that serves that an install can always go back to. */
const ALWAYS_KEPT = 3;
/** How long the others are kept, the latest of them. */
const KEPT_FOR = '30 days';
const KEPT_AT_MOST = 20;

export interface InstallKey {
  tenant_id: string;
  install_id: string;
}

/** The row of a change from one version to another, see version-changes.ts. */
export interface ChangeRow extends InstallKey {
  run_id: string;
  kind: VersionChangeKind;
  from_version_id: string;
  to_version_id: string;
  switched: boolean;
  granted_by: string | null;
  grants: Grant[] | null;
  config: Record<string, unknown> | null;
  aside: Record<string, unknown> | null;
  secrets: Record<string, { sealed: string; keyId: string } | null> | null;
  replaced: KeptVersion | null;
}

/** What an install keeps of a version that it served before. */
interface KeptVersion {
  config: Record<string, unknown>;
  aside: Record<string, unknown>;
  grants: (Grant & { grantedBy: string; grantedAt: string })[];
  supersededAt: string;
  rolledBack: boolean;
}

export const keyOf = ({ tenant_id, install_id }: InstallKey): InstallKey => ({ tenant_id, install_id });

/** Makes the version serve that the change is to, with what was staged for it. The install's row is locked. */
export async function switchVersion(trx: Knex.Transaction, change: ChangeRow): Promise<void> {
  const own = keyOf(change);
  const { from_version_id: from, to_version_id: to } = change;
  const replaced = await readKept(trx, own, to);
  await trx('tenant_extension_install_previous')
    .where({ ...own, version_id: to })
    .delete();
  await trx('tenant_extension_install_previous').insert({
    ...own,
    version_id: from,
    rolled_back: change.kind === 'rollback',
  });
  await setExpiries(trx, own);
  // A version that is gone back to has its own.
  if (change.grants) {
    const granted = change.grants.map((grant) => ({ ...grant, grantedBy: change.granted_by ?? '' }));
    await writeGrants(trx, own, to, granted);
  }
  await stampConfig(
    trx,
    own,
    to,
    change.config ? { config: change.config, aside: change.aside ?? {} } : undefined,
  );
  await mergeSecrets(trx, own, change.secrets ?? {});
  await serve(trx, own, to);
  await trx('tenant_extension_install_change')
    .where(own)
    .update({ switched: true, replaced: replaced ? JSON.stringify(replaced) : null });
}

/** Makes the version serve again that the change is from. Secrets stay as they are: a value that was replaced must not come back. */
export async function switchBack(trx: Knex.Transaction, change: ChangeRow): Promise<void> {
  const own = keyOf(change);
  const { from_version_id: from, to_version_id: to, replaced } = change;
  const previous = trx('tenant_extension_install_previous');
  await previous
    .clone()
    .where({ ...own, version_id: from })
    .delete();
  if (replaced) {
    await writeGrants(trx, own, to, replaced.grants);
    await stampConfig(trx, own, to, replaced);
    await previous.clone().insert({
      ...own,
      version_id: to,
      superseded_at: replaced.supersededAt,
      rolled_back: replaced.rolledBack,
    });
  } else {
    await forgetSettings(trx, own, [to]);
  }
  await setExpiries(trx, own);
  await stampConfig(trx, own, from);
  await serve(trx, own, from);
  await trx('tenant_extension_install_change').where(own).update({ switched: false, replaced: null });
}

/** Forgets what has been kept longest of more than an install may keep. */
export async function dropOldest(trx: Knex.Transaction, own: InstallKey): Promise<void> {
  const oldest = await trx('tenant_extension_install_previous')
    .where(own)
    .orderBy('superseded_at', 'desc')
    .offset(KEPT_AT_MOST)
    .pluck<string[]>('version_id');
  if (oldest.length === 0) return;
  await trx('tenant_extension_install_previous').where(own).whereIn('version_id', oldest).delete();
  await forgetSettings(trx, own, oldest);
}

/** Config and grants of versions that the install neither serves nor keeps. */
export async function forgetSettings(
  trx: Knex.Transaction,
  own: InstallKey,
  versionIds: readonly string[],
): Promise<void> {
  for (const table of ['tenant_extension_grant', 'tenant_extension_install_config']) {
    await trx(table).where(own).whereIn('version_id', versionIds).delete();
  }
}

async function serve(trx: Knex.Transaction, own: InstallKey, versionId: string): Promise<void> {
  await trx('tenant_extension_install').where(own).update({
    active_version_id: versionId,
    pending_version_id: null,
    pending_digest: null,
    updated_at: trx.fn.now(),
  });
}

async function readKept(
  trx: Knex.Transaction,
  own: InstallKey,
  versionId: string,
): Promise<KeptVersion | undefined> {
  const of = { ...own, version_id: versionId };
  const kept = (await trx('tenant_extension_install_previous')
    .where(of)
    .first({ supersededAt: trx.raw('superseded_at::text'), rolledBack: 'rolled_back' })) as
    Pick<KeptVersion, 'supersededAt' | 'rolledBack'> | undefined;
  if (!kept) return undefined;
  const settings = (await trx('tenant_extension_install_config').where(of).first('config', 'aside')) as
    Pick<KeptVersion, 'config' | 'aside'> | undefined;
  const grants = (await trx('tenant_extension_grant')
    .where(of)
    .select({
      capability: 'capability',
      scope: 'scope',
      grantedBy: 'granted_by',
      grantedAt: trx.raw('granted_at::text'),
    })) as KeptVersion['grants'];
  return { config: settings?.config ?? {}, aside: settings?.aside ?? {}, grants, ...kept };
}

async function writeGrants(
  trx: Knex.Transaction,
  own: InstallKey,
  versionId: string,
  grants: readonly (Grant & { grantedBy: string; grantedAt?: string })[],
): Promise<void> {
  const of = { ...own, version_id: versionId };
  await trx('tenant_extension_grant').where(of).delete();
  if (grants.length === 0) return;
  await trx('tenant_extension_grant').insert(
    grants.map(({ capability, scope, grantedBy, grantedAt }) => ({
      ...of,
      capability,
      scope: JSON.stringify(scope),
      granted_by: grantedBy,
      granted_at: grantedAt ?? trx.fn.now(),
    })),
  );
}

/** Gives a version's config a new stamp, since stamps only rise; without values those that it has. */
async function stampConfig(
  trx: Knex.Transaction,
  own: InstallKey,
  versionId: string,
  values?: { config: Record<string, unknown>; aside: Record<string, unknown> },
): Promise<void> {
  const [stamp] = (await trx('tenant_extension_install')
    .where(own)
    .increment('config_version', 1)
    .returning('config_version')) as [{ config_version: number }];
  const stamped = {
    version: stamp.config_version,
    updated_at: trx.fn.now(),
    ...(values && { config: JSON.stringify(values.config), aside: JSON.stringify(values.aside) }),
  };
  await trx('tenant_extension_install_config')
    .insert({ ...own, version_id: versionId, config: '{}', ...stamped })
    .onConflict(['tenant_id', 'install_id', 'version_id'])
    .merge(stamped);
}

async function mergeSecrets(
  trx: Knex.Transaction,
  own: InstallKey,
  secrets: NonNullable<ChangeRow['secrets']>,
): Promise<void> {
  if (Object.keys(secrets).length === 0) return;
  const removed = Object.keys(secrets).filter((name) => secrets[name] === null);
  await trx('tenant_extension_install_secrets').where(own).whereIn('name', removed).delete();
  for (const [name, secret] of Object.entries(secrets)) {
    if (!secret) continue;
    const sealed = { sealed: secret.sealed, key_id: secret.keyId, updated_at: trx.fn.now() };
    await trx('tenant_extension_install_secrets')
      .insert({ ...own, name, ...sealed })
      .onConflict(['tenant_id', 'install_id', 'name'])
      .merge(sealed);
  }
  await trx('tenant_extension_install').where(own).increment('secrets_version', 1);
}

/** The latest ones are kept for good, the others for a while. */
async function setExpiries(trx: Knex.Transaction, own: InstallKey): Promise<void> {
  await trx.raw(
    `update tenant_extension_install_previous p
        set expires_at = case when r.place > :kept then p.superseded_at + :keptFor::interval end
       from (select version_id, row_number() over (order by superseded_at desc, version_id) as place
               from tenant_extension_install_previous
              where tenant_id = :tenant_id and install_id = :install_id) r
      where p.tenant_id = :tenant_id and p.install_id = :install_id and p.version_id = r.version_id`,
    { ...own, kept: ALWAYS_KEPT, keptFor: KEPT_FOR },
  );
}
