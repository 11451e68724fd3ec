import { INSTALL_STEPS, pendingSteps } from '../../core/progress.ts';
import type { DraftedInstall } from '../../platform/db/install-drafts.ts';
import type { Install } from '../../platform/db/installs.ts';

/**
 * An install that was asked for and that no worker has taken up yet, as its row will begin; past its time, or with another install of
 * the extension alive, as one that failed.
 */
export function installOfDraft(tenantId: string, drafted: DraftedInstall, isOvertaken: boolean): Install {
  const { expired, expiresAt, createdAt, version, versionId, ...ids } = drafted;
  const hasFailed = expired || isOvertaken;
  return {
    ...ids,
    tenantId,
    version,
    versionId,
    status: hasFailed ? 'failed' : 'installing',
    ...(hasFailed
      ? {
          error: {
            code: 'OPERATION_EXPIRED',
            message: isOvertaken
              ? 'another install of the extension came first'
              : 'no worker took the install up in time; send the request again',
          },
        }
      : { pending: { version, versionId } }),
    steps: pendingSteps(INSTALL_STEPS),
    configVersion: 0,
    secretsVersion: 0,
    grants: [],
    previousVersions: [],
    createdAt,
    updatedAt: expired ? expiresAt : createdAt,
  };
}
