import type { Knex } from 'knex';
import { PlatformError } from '../../core/errors.ts';
import type { Manifest } from '../../core/manifest/manifest.ts';
import { checkSecrets, defaultConfig, validateConfig } from '../../core/install-config.ts';
import { carrySettings } from '../../core/upgrade.ts';
import {
  removeInstallDrafts,
  stampsOf,
  takeDraft,
  wasApplied,
  type ConfigStamps,
  type InstallDraft,
} from './install-drafts.ts';
import { showSteps, type ShownSteps } from './show-steps.ts';
import { manifestOf } from './upgradable.ts';

interface LockedInstall {
  active_version_id: string | null;
  pending_version_id: string | null;
}

/** The stamps that a draft led to, or the paths of the settings without which an install's is not applied. */
export type AppliedDraft = ConfigStamps & { needed?: string[] };

/** See InstallOperationStore.applyDraft. All or nothing; the draft is gone in the same transaction, and with the one it begins with every other of an install. */
export async function applyDraft(
  db: Knex,
  tenantId: string,
  { installId, draftId }: { installId: string; draftId: string },
  shown?: ShownSteps,
): Promise<AppliedDraft> {
  return db.transaction(async (trx) => {
    const install = (await trx('tenant_extension_install')
      .where({ tenant_id: tenantId, install_id: installId })
      .forUpdate()
      .first('active_version_id', 'pending_version_id')) as LockedInstall | undefined;
    if (!install) throw new PlatformError('NOT_FOUND', `there is no install ${installId}`);
    if (await wasApplied(trx, tenantId, draftId)) {
      return (await stampsOf(trx, tenantId, draftId)) ?? readVersions(trx, tenantId, installId);
    }
    const draft = await takeDraft(trx, tenantId, draftId);
    if (draft?.installId !== installId) throw outdated('have expired');
    const { active_version_id: active, pending_version_id: pending } = install;
    if (draft.versionId !== active && draft.versionId !== pending) {
      throw outdated('are for a version that this install no longer has');
    }
    const manifest = await manifestOf(trx, draft.versionId);
    if (draft.kind === 'install') {
      const { needed } = carrySettings({ config: {}, secrets: [] }, manifest, draft);
      if (needed.length > 0) return { ...(await readVersions(trx, tenantId, installId)), needed };
    }
    await applyConfig(trx, tenantId, draft, manifest);
    await applySecrets(trx, tenantId, draft, manifest);
    await (draft.kind === 'install'
      ? removeInstallDrafts(trx, tenantId, installId)
      : trx('install_draft').where({ tenant_id: tenantId, draft_id: draftId }).delete());
    await trx('tenant_extension_install')
      .where({ tenant_id: tenantId, install_id: installId })
      .update({ updated_at: trx.fn.now() });
    if (shown) await showSteps(trx, tenantId, installId, shown);
    const stamps = await readVersions(trx, tenantId, installId);
    await trx('install_draft_applied').insert({
      tenant_id: tenantId,
      draft_id: draftId,
      config_version: stamps.configVersion,
      secrets_version: stamps.secretsVersion,
    });
    return stamps;
  });
}

/** See InstallOperationStore.clearSettings. The counters stay, so that no stamp is ever given twice. */
export async function clearSettings(db: Knex, tenantId: string, installId: string): Promise<void> {
  await db.transaction(async (trx) => {
    const own = { tenant_id: tenantId, install_id: installId };
    await trx('tenant_extension_install_config').where(own).delete();
    await trx('tenant_extension_install_secrets').where(own).delete();
  });
}

async function applyConfig(
  trx: Knex.Transaction,
  tenantId: string,
  { installId, versionId, config: given, reset }: InstallDraft,
  { settings }: Manifest,
): Promise<void> {
  if (!given && !reset) return;
  // Checked here and not only when it was sent: this is where it meets the version it will be used with.
  const config = reset ? defaultConfig(settings) : validateConfig(settings, given);
  const [stamp] = (await trx('tenant_extension_install')
    .where({ tenant_id: tenantId, install_id: installId })
    .increment('config_version', 1)
    .returning('config_version')) as [{ config_version: number }];
  const stored = { config: JSON.stringify(config), version: stamp.config_version, updated_at: trx.fn.now() };
  await trx('tenant_extension_install_config')
    .insert({ tenant_id: tenantId, install_id: installId, version_id: versionId, ...stored })
    .onConflict(['tenant_id', 'install_id', 'version_id'])
    .merge(stored);
}

async function applySecrets(
  trx: Knex.Transaction,
  tenantId: string,
  { installId, secrets, replaceSecrets, reset }: InstallDraft,
  manifest: Manifest,
): Promise<void> {
  if (!secrets) return;
  const secretRows = (): Knex.QueryBuilder =>
    trx('tenant_extension_install_secrets').where({ tenant_id: tenantId, install_id: installId });
  const kept = replaceSecrets ? [] : await secretRows().pluck<string[]>('name');
  // A reset may leave a required one unset: that is what it is asked for.
  if (!reset) checkSecrets(manifest.secrets, secrets, kept);
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

async function readVersions(
  trx: Knex.Transaction,
  tenantId: string,
  installId: string,
): Promise<ConfigStamps> {
  return (await trx('tenant_extension_install')
    .where({ tenant_id: tenantId, install_id: installId })
    .first({ configVersion: 'config_version', secretsVersion: 'secrets_version' })) as ConfigStamps;
}

function outdated(what: string): PlatformError {
  return new PlatformError(
    'STATE_CONFLICT',
    `the config or secrets sent with this request ${what}; read the install and send them again`,
  );
}
