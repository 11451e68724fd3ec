import { randomUUID } from 'node:crypto';
import type { SecretValue } from '../../core/secret-value.ts';
import type { InstallDraft, InstallDraftStore } from '../../platform/db/install-drafts.ts';
import { sealSecret } from '../../platform/secrets/seal-secret.ts';

/** Names to values; null removes one. */
export type SecretChanges = Record<string, SecretValue | null>;

export interface SettingsChange {
  /** The version of the install that they are for. */
  versionId: string;
  /** Config goes to the version's defaults. */
  reset?: boolean;
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

  return async (
    tenantId,
    installId,
    { versionId, config, secrets, replaceSecrets, reset = false, lifetimeMs },
  ) => {
    const seal = async (name: string, value: SecretValue): Promise<{ sealed: string; keyId: string }> => ({
      sealed: await sealSecret(secretsPublicKey, { tenantId, installId, name }, value),
      keyId: secretsKeyId,
    });
    const draft: InstallDraft = {
      draftId: randomUUID(),
      installId,
      versionId,
      ...(config && { config }),
      replaceSecrets,
      reset,
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
