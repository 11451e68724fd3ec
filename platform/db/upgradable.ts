import type { Knex } from 'knex';
import type { Grant } from '../../core/capabilities.ts';
import { PlatformError } from '../../core/errors.ts';
import type { Manifest } from '../../core/manifest/manifest.ts';
import type { Upgradable } from '../../core/upgrade.ts';
import type { InstallKey } from './switch-version.ts';

/** An install as a version of it stands: config and grants are that version's. */
export async function upgradableFrom(db: Knex, own: InstallKey, versionId: string): Promise<Upgradable> {
  const of = { ...own, version_id: versionId };
  const settings = (await db('tenant_extension_install_config').where(of).first('config', 'aside')) as
    Pick<Upgradable, 'config' | 'aside'> | undefined;
  const grants = (await db('tenant_extension_grant').where(of).select('capability', 'scope')) as Grant[];
  const secrets = await db('tenant_extension_install_secrets').where(own).pluck<string[]>('name');
  const manifest = await manifestOf(db, versionId);
  return { manifest, grants, secrets, config: settings?.config ?? {}, aside: settings?.aside ?? {} };
}

/** Of a version that something names. */
export async function manifestOf(db: Knex, versionId: string): Promise<Manifest> {
  const row = (await db('extension_version').where({ version_id: versionId }).first('manifest')) as
    { manifest: Manifest } | undefined;
  if (!row) throw new PlatformError('INTERNAL', 'an install names a version that is not there');
  return row.manifest;
}
