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

export interface DraftWriterDeps {
  drafts: Pick<InstallDraftStore, 'findByDigest' | 'create'>;
  /** Public half of the key that secrets are sealed to, base64, and its short name. */
  secretsPublicKey: string;
  secretsKeyId: string;
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

export function createDraftWriter(deps: DraftWriterDeps): DraftWriter {
  const { drafts, secretsPublicKey, secretsKeyId } = deps;

  async function sealed(tenantId: string, change: DraftContent): Promise<InstallDraft> {
    const { secrets, installId, reset = false, ...rest } = change;
    const draft: InstallDraft = {
      ...rest,
      draftId: randomUUID(),
      installId,
      reset,
      expiresAt: new Date(Date.now() + DRAFT_LIFETIME_MS),
    };
    if (!secrets) return draft;
    draft.secrets = {};
    for (const [name, value] of Object.entries(secrets)) {
      draft.secrets[name] = value && {
        sealed: await sealSecret(secretsPublicKey, { tenantId, installId, name }, value),
        keyId: secretsKeyId,
      };
    }
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
