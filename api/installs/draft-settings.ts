import { randomUUID } from 'node:crypto';
import { PlatformError, type Issue } from '../../core/errors.ts';
import type { Manifest } from '../../core/manifest/manifest.ts';
import type { SecretValue } from '../../core/secret-value.ts';
import type { InstallDraft, InstallDraftStore } from '../../platform/db/install-drafts.ts';
import { sealSecret } from '../../platform/secrets/seal-secret.ts';

/** Names to values; null removes one. */
export type SecretChanges = Record<string, SecretValue | null>;

export interface SettingsChange {
  /** Absent: left as they are. */
  config?: Record<string, unknown>;
  secrets?: SecretChanges;
  /** Whether secrets that are not named are removed. */
  replaceSecrets: boolean;
  lifetimeMs: number;
}

export interface DraftSettingsDeps {
  drafts: Pick<InstallDraftStore, 'create'>;
  /** Public half of the key that secrets are sealed to, base64, and its short name. */
  secretsPublicKey: string;
  secretsKeyId: string;
}

/** Writes settings where a workflow finds them, secrets sealed before anything else sees them. Answers the draft's id. */
export type DraftSettings = (tenantId: string, installId: string, change: SettingsChange) => Promise<string>;

export function createDraftSettings(deps: DraftSettingsDeps): DraftSettings {
  const { drafts, secretsPublicKey, secretsKeyId } = deps;

  return async (tenantId, installId, { config, secrets, replaceSecrets, lifetimeMs }) => {
    const seal = async (name: string, value: SecretValue): Promise<{ sealed: string; keyId: string }> => ({
      sealed: await sealSecret(secretsPublicKey, { tenantId, installId, name }, value),
      keyId: secretsKeyId,
    });
    const draft: InstallDraft = {
      draftId: randomUUID(),
      installId,
      ...(config && { config }),
      replaceSecrets,
      expiresAt: new Date(Date.now() + lifetimeMs),
    };
    if (secrets) {
      draft.secrets = {};
      for (const [name, value] of Object.entries(secrets)) {
        draft.secrets[name] = value && (await seal(name, value));
      }
    }
    await drafts.create(tenantId, draft);
    return draft.draftId;
  };
}

/**
 * Throws SETTINGS_INVALID unless every name is declared and every required secret stays set. `kept` are those that are set and stay so
 * when not named. Values are in no message.
 */
export function checkSecrets(manifest: Manifest, secrets: SecretChanges, kept: readonly string[]): void {
  const declared = new Set(manifest.secrets.map(({ name }) => name));
  const issues: Issue[] = Object.keys(secrets)
    .filter((name) => !declared.has(name))
    .map((name) => ({
      path: `secrets.${name}`,
      code: 'unknown_secret',
      message: 'is not a secret that the manifest declares; remove it',
    }));
  for (const { name, required } of manifest.secrets) {
    const willBeSet = Object.hasOwn(secrets, name) ? secrets[name] !== null : kept.includes(name);
    if (required && !willBeSet) {
      issues.push({ path: `secrets.${name}`, code: 'required', message: 'is required; give a value' });
    }
  }
  if (issues.length > 0) {
    const faults = issues.map(({ path, message }) => `${path} ${message}`).join('; ');
    throw new PlatformError('SETTINGS_INVALID', `the secrets do not fit the extension: ${faults}`, {
      issues,
    });
  }
}
