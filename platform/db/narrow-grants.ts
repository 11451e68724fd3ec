import type { Knex } from 'knex';
import type { Grant } from '../../core/capabilities.ts';
import { PlatformError } from '../../core/errors.ts';
import { narrowGrants as left, type NarrowedGrant } from '../../core/grants.ts';
import type { Manifest } from '../../core/manifest/manifest.ts';
import { requestedCapabilities } from '../../core/manifest/permissions.ts';

/** See InstallOperationStore.narrowGrants. */
export async function narrowGrants(
  db: Knex,
  tenantId: string,
  installId: string,
  { grants: kept, grantedBy }: { grants: readonly NarrowedGrant[]; grantedBy: string },
): Promise<Grant[]> {
  return db.transaction(async (trx) => {
    const own = { tenant_id: tenantId, install_id: installId };
    const install = (await trx('tenant_extension_install')
      .where(own)
      .forUpdate()
      .first('active_version_id')) as { active_version_id: string | null } | undefined;
    if (!install) throw new PlatformError('NOT_FOUND', 'there is no such install');
    const { active_version_id: versionId } = install;
    if (versionId === null) throw new PlatformError('STATE_CONFLICT', 'the install has no version to narrow');
    const { manifest } = (await trx('extension_version')
      .where({ version_id: versionId })
      .first('manifest')) as {
      manifest: Manifest;
    };
    const granted = (): Knex.QueryBuilder =>
      trx('tenant_extension_grant').where({ ...own, version_id: versionId });
    const current = (await granted().select('capability', 'scope')) as Grant[];
    const narrowed = left(current, requestedCapabilities(manifest), kept);
    const names = narrowed.map(({ capability }) => capability);
    await granted().whereNotIn('capability', names).delete();
    const isNew = ({ capability }: Grant): boolean => !current.some((one) => one.capability === capability);
    for (const { capability, scope } of narrowed.filter(isNew)) {
      const row = { capability, scope: JSON.stringify(scope), granted_by: grantedBy };
      await granted().insert({ ...own, version_id: versionId, ...row });
    }
    for (const { capability, scope } of narrowed) {
      await granted()
        .where({ capability })
        .whereRaw('scope <> ?::jsonb', [JSON.stringify(scope)])
        .update({ scope: JSON.stringify(scope), granted_by: grantedBy });
    }
    await trx('tenant_extension_install').where(own).update({ updated_at: trx.fn.now() });
    return narrowed;
  });
}
