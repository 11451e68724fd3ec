import { randomUUID } from 'node:crypto';
import type { InstallOperationKind } from '../../core/progress.ts';
import type { SecretValue } from '../../core/secret-value.ts';
import type { InstallDraft, InstallDraftStore } from '../../platform/db/install-drafts.ts';
import { sealSecret } from '../../platform/secrets/seal-secret.ts';

/** Names to values; null removes one. */
export type SecretChanges = Record<string, SecretValue | null>;

/** Config and secrets on their way into an install. */
export interface DraftContent {
  kind: InstallOperationKind;
  /** Of the request, see InputDigest. */
  digest: string;
  installId: string;
  /** The version of the install that it is for. */
  versionId: string;
  /** Config goes to the version's defaults. */
  reset?: boolean;
  /** Absent: left as they are. */
  config?: Record<string, unknown>;
  secrets?: SecretChanges;
  /** Whether secrets that are not named are removed. */
  replaceSecrets: boolean;
}

/** Seals each secret to the runner's key, for one install. */
export type SealSecrets = (
  install: { tenantId: string; installId: string },
  secrets: SecretChanges,
) => Promise<NonNullable<InstallDraft['secrets']>>;

/** `publicKey` is the half that secrets are sealed to, base64; `keyId` its short name. */
export function createSealSecrets({ publicKey, keyId }: { publicKey: string; keyId: string }): SealSecrets {
  return async ({ tenantId, installId }, secrets) => {
    const sealed: NonNullable<InstallDraft['secrets']> = {};
    for (const [name, value] of Object.entries(secrets)) {
      sealed[name] = value && {
        sealed: await sealSecret(publicKey, { tenantId, installId, name }, value),
        keyId,
      };
    }
    return sealed;
  };
}

export interface DraftWriterDeps {
  drafts: Pick<InstallDraftStore, 'findByDigest' | 'create'>;
  sealSecrets: SealSecrets;
}

export interface WrittenDraft {
  draftId: string;
  /** Of the first such request, whose draft this is. */
  installId: string;
  /** Written for this request, and not found. */
  created: boolean;
}

/** A workflow takes its draft up within this, or nothing comes of the request; once it has opened, the draft is held longer. */
const DRAFT_LIFETIME_MS = 60 * 60 * 1000;

/** Writes a draft where a workflow finds it, its secrets sealed before anything else sees them. The same request finds its first one. */
export type DraftWriter = (tenantId: string, change: DraftContent) => Promise<WrittenDraft>;

export function createDraftWriter({ drafts, sealSecrets }: DraftWriterDeps): DraftWriter {
  async function sealed(tenantId: string, change: DraftContent): Promise<InstallDraft> {
    const { secrets, installId, reset = false, ...rest } = change;
    const draft: InstallDraft = {
      ...rest,
      draftId: randomUUID(),
      installId,
      reset,
      expiresAt: new Date(Date.now() + DRAFT_LIFETIME_MS),
    };
    if (secrets) draft.secrets = await sealSecrets({ tenantId, installId }, secrets);
    return draft;
  }

  return async (tenantId, change) => {
    const draft = await sealed(tenantId, change);
    for (;;) {
      const found = await drafts.findByDigest(tenantId, change.digest);
      if (found) return { ...found, created: false };
      if (await drafts.create(tenantId, draft)) {
        return { draftId: draft.draftId, installId: draft.installId, created: true };
      }
      // The one that was in the way was applied or has expired since: look again.
    }
  };
}
