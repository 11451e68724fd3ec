import type { Knex } from 'knex';
import { PlatformError } from '../../core/errors.ts';
import { takeDraft, type InstallDraft } from './install-drafts.ts';

interface Versions {
  configVersion: number;
  secretsVersion: number;
}

/**
 * Applies a draft's settings and secrets, each raising its version if it changed, and removes the draft: all or nothing.
 * A repeat for the same draft answers the versions it led to. Throws STATE_CONFLICT if the draft has expired.
 */
export async function applyDraft(
  db: Knex,
  tenantId: string,
  installId: string,
  draftId: string,
): Promise<Versions> {
  return db.transaction(async (trx) => {
    const install = (await trx('tenant_extension_install')
      .where({ tenant_id: tenantId, install_id: installId })
      .forUpdate()
      .first('applied_draft_id')) as { applied_draft_id: string | null } | undefined;
    if (!install) throw new PlatformError('NOT_FOUND', `there is no install ${installId}`);
    if (install.applied_draft_id !== draftId) {
      const draft = await takeDraft(trx, tenantId, draftId);
      if (draft?.installId !== installId) {
        throw new PlatformError(
          'STATE_CONFLICT',
          'the settings sent with this request have expired; send them again',
        );
      }
      await applyConfig(trx, tenantId, installId, draft.config);
      await applySecrets(trx, tenantId, installId, draft);
      await trx('install_draft').where({ tenant_id: tenantId, draft_id: draftId }).delete();
      await trx('tenant_extension_install')
        .where({ tenant_id: tenantId, install_id: installId })
        .update({ applied_draft_id: draftId, updated_at: trx.fn.now() });
    }
    return readVersions(trx, tenantId, installId);
  });
}

/** Removes settings and secrets; nothing to remove is no error. */
export async function clearSettings(db: Knex, tenantId: string, installId: string): Promise<void> {
  await db.transaction(async (trx) => {
    await trx('tenant_extension_install_config')
      .where({ tenant_id: tenantId, install_id: installId })
      .delete();
    await trx('tenant_extension_install_secrets')
      .where({ tenant_id: tenantId, install_id: installId })
      .delete();
  });
}

async function applyConfig(
  trx: Knex.Transaction,
  tenantId: string,
  installId: string,
  config: InstallDraft['config'],
): Promise<void> {
  if (!config) return;
  await trx('tenant_extension_install_config')
    .insert({ tenant_id: tenantId, install_id: installId, config: JSON.stringify(config), version: 1 })
    .onConflict(['tenant_id', 'install_id'])
    .merge({
      config: JSON.stringify(config),
      version: trx.raw('tenant_extension_install_config.version + 1'),
      updated_at: trx.fn.now(),
    });
}

async function applySecrets(
  trx: Knex.Transaction,
  tenantId: string,
  installId: string,
  { secrets, replaceSecrets }: InstallDraft,
): Promise<void> {
  if (!secrets) return;
  const secretRows = (): Knex.QueryBuilder =>
    trx('tenant_extension_install_secrets').where({ tenant_id: tenantId, install_id: installId });
  const removed = Object.keys(secrets).filter((name) => secrets[name] === null);
  await (replaceSecrets ? secretRows().delete() : secretRows().whereIn('name', removed).delete());
  for (const [name, secret] of Object.entries(secrets)) {
    if (!secret) continue;
    const sealed = { sealed: secret.sealed, key_id: secret.keyId, updated_at: trx.fn.now() };
    await trx('tenant_extension_install_secrets')
      .insert({ tenant_id: tenantId, install_id: installId, name, ...sealed })
      .onConflict(['tenant_id', 'install_id', 'name'])
      .merge(sealed);
  }
  await trx('tenant_extension_install')
    .where({ tenant_id: tenantId, install_id: installId })
    .increment('secrets_version', 1);
}

async function readVersions(trx: Knex.Transaction, tenantId: string, installId: string): Promise<Versions> {
  const row = (await trx('tenant_extension_install as i')
    .leftJoin('tenant_extension_install_config as c', {
      'c.tenant_id': 'i.tenant_id',
      'c.install_id': 'i.install_id',
    })
    .where({ 'i.tenant_id': tenantId, 'i.install_id': installId })
    .first({ configVersion: 'c.version', secretsVersion: 'i.secrets_version' })) as {
    configVersion: number | null;
    secretsVersion: number;
  };
  return { configVersion: row.configVersion ?? 0, secretsVersion: row.secretsVersion };
}
