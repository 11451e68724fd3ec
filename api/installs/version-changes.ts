import type { ConsentItem } from '../../core/api/installs.ts';
import { isPlatformError, PlatformError } from '../../core/errors.ts';
import { installWorkflowId } from '../../core/ids.ts';
import { checkGivenConfig, checkGivenSecrets } from '../../core/install-config.ts';
import type { InstallStatus } from '../../core/progress.ts';
import type { SecretValue } from '../../core/secret-value.ts';
import type { Install } from '../../platform/db/installs.ts';
import type { RegistryStore } from '../../platform/db/registry.ts';
import type { KeptVersion, VersionChangeStore } from '../../platform/db/version-changes.ts';
import type { Principal } from '../principal.ts';
import type { WorkflowStarter } from '../workflow-starter.ts';
import { readConsent, refuseUnavailable } from './consent.ts';
import type { DraftedOperation } from './drafted-operation.ts';
import { findVersion } from './find-version.ts';
import { revealed, type InputDigest } from './input-digest.ts';
import type { Operated } from './install-lifecycle.ts';
import type { InstallService } from './install-service.ts';
import type { OnceSettled } from './once-settled.ts';

const TRIES = 3;
/** Another version is also how to leave quarantine. */
const CHANGEABLE: readonly InstallStatus[] = ['active', 'paused', 'disabled', 'quarantined'];

export interface UpgradeRequest {
  version: string;
  config: Record<string, unknown>;
  secrets: Record<string, SecretValue>;
  consent: 'all' | readonly ConsentItem[];
}

/** `versionId` is what the install is to serve. */
export type Changed = Operated & { versionId: string };

export interface VersionChangesDeps {
  service: Pick<InstallService, 'find' | 'decline'>;
  registry: Pick<RegistryStore, 'publishedVersions' | 'findVersion'>;
  kept: Pick<VersionChangeStore, 'kept'>;
  draftedOperation: DraftedOperation;
  onceSettled: OnceSettled;
  inputDigest: InputDigest;
  workflows: Pick<WorkflowStarter, 'startUpgrade' | 'startRollback'>;
}

export interface VersionChanges {
  /**
   * Starts an upgrade, or joins the same one that runs or waits. Throws NOT_FOUND, STATE_CONFLICT if the install has nothing to upgrade
   * or another version waits, SETTINGS_INVALID, CONSENT_INVALID, OPERATION_RUNNING with what runs.
   */
  upgrade(principal: Principal, installId: string, request: UpgradeRequest): Promise<Changed>;
  /** Goes back to a version that is kept. Throws NOT_FOUND, STATE_CONFLICT if it cannot, OPERATION_RUNNING with what runs. */
  rollBack(principal: Principal, installId: string, wanted: string | undefined): Promise<Changed>;
}

export function createVersionChanges(deps: VersionChangesDeps): VersionChanges {
  const { service, registry, draftedOperation, onceSettled, inputDigest, workflows } = deps;

  async function findChangeable(tenantId: string, installId: string): Promise<Install> {
    const install = await service.find(tenantId, installId);
    if (!CHANGEABLE.includes(install.status)) {
      throw new PlatformError(
        'STATE_CONFLICT',
        `an install that is ${install.status} has no version to change`,
      );
    }
    return install;
  }

  async function upgrade(
    principal: Principal,
    installId: string,
    request: UpgradeRequest,
    tries = 1,
  ): Promise<Changed> {
    const { tenantId, keyId: requestedBy } = principal;
    const install = await findChangeable(tenantId, installId);
    const { extensionId, extension, operation, pending } = install;
    const { manifest, ...version } = await findVersion(registry, extensionId, request.version);
    const { versionId } = version;
    const workflowId = installWorkflowId(tenantId, extensionId);
    if (!operation && install.activeVersionId === versionId) {
      return { outcome: 'already', workflowId, versionId };
    }
    refuseUnavailable(manifest);
    const given = request.consent === 'all' ? undefined : readConsent(manifest, request.consent, 'consent');
    const { names: consent, narrowed } = given ?? { names: 'all' as const, narrowed: [] };
    const config = checkGivenConfig(manifest.settings, request.config);
    const { secrets } = request;
    checkGivenSecrets(manifest.secrets, secrets);
    const digest = inputDigest({
      ...{ installId, versionId, consent, config },
      ...(narrowed.length > 0 && { narrowed }), // else as before there was such a thing: a version may wait since then
      secrets: revealed(secrets),
    });
    if (pending?.waitingFor) {
      if (install.pendingDigest !== digest) throw awaitsDecision(pending);
      return { outcome: 'begun', workflowId, versionId };
    }
    const draft = { installId, versionId, config, secrets, kind: 'upgrade', digest } as const;
    try {
      const { begun } = await draftedOperation(
        { tenantId, extensionId },
        { ...draft, replaceSecrets: false },
        ({ draftId }) =>
          workflows.startUpgrade({
            tenantId,
            extensionId,
            extension,
            installId,
            versionId,
            contentHash: version.contentHash,
            version: version.version,
            draftId,
            consent,
            ...(narrowed.length > 0 && { narrowed }),
            requestedBy,
            digest,
          }),
      );
      return { outcome: begun ? 'begun' : 'unknown', workflowId, versionId };
    } catch (err) {
      // Another request was faster: what it has made of the install by now decides.
      if (tries >= TRIES || !isPlatformError(err) || err.code !== 'STATE_CONFLICT') throw err;
      return upgrade(principal, installId, request, tries + 1);
    }
  }

  return {
    upgrade: (principal, installId, request) => upgrade(principal, installId, request),

    async rollBack(principal, installId, wanted) {
      const { tenantId, keyId: requestedBy } = principal;
      const install = await findChangeable(tenantId, installId);
      const { extensionId, extension, operation, pending } = install;
      const ids = { tenantId, extensionId, extension, installId };
      const workflowId = installWorkflowId(tenantId, extensionId);
      if (operation && operation.kind !== 'rollback') throw running(operation.kind);
      // Joined by what the row says: once it has switched, what is kept leads a version further back.
      const goal = operation && (pending ?? install);
      if (goal && (wanted === undefined || wanted === goal.version)) {
        return { outcome: 'begun', workflowId, versionId: goal.versionId };
      }
      const kept = await deps.kept.kept(tenantId, installId);
      // Whoever asks again, not knowing that it was done, must not go a version further back.
      const isDone = wanted === undefined ? kept[0]?.rolledBack === true : wanted === install.version;
      if (!operation && isDone) return { outcome: 'already', workflowId, versionId: install.versionId };
      const target = choose(kept, wanted);
      if (pending?.waitingFor) await service.decline(principal, install);
      const { versionId, version, contentHash } = target;
      const input = { ...ids, versionId, version, contentHash, requestedBy, digest: `rollback:${versionId}` };
      try {
        await onceSettled(ids, () => workflows.startRollback(input));
        return { outcome: 'begun', workflowId, versionId };
      } catch (err) {
        if (!isPlatformError(err) || err.code !== 'TEMPORAL_OUTCOME_UNKNOWN') throw err;
        return { outcome: 'unknown', workflowId, versionId };
      }
    },
  };
}

/** The version that was named, or the one before the last upgrade: one that was left by going back is not gone forward to. */
function choose(kept: readonly KeptVersion[], wanted: string | undefined): KeptVersion {
  const published = kept.filter(({ status }) => status === 'published');
  const target = published.find(({ version, rolledBack }) =>
    wanted === undefined ? !rolledBack : version === wanted,
  );
  if (target) return target;
  if (kept.some(({ version }) => version === wanted)) {
    throw new PlatformError('STATE_CONFLICT', `version ${wanted ?? ''} was revoked`);
  }
  const choice = published.map(({ version }) => version).join(', ');
  throw new PlatformError(
    'STATE_CONFLICT',
    choice === '' ? 'the install keeps no version to go back to' : `the install can go back to ${choice}`,
  );
}

function awaitsDecision({ version, waitingFor }: NonNullable<Install['pending']>): PlatformError {
  return new PlatformError(
    'STATE_CONFLICT',
    `version ${version} waits for ${waitingFor ?? ''}; decide that or decline it first, or send the same request again`,
  );
}

function running(kind: string): PlatformError {
  return new PlatformError('OPERATION_RUNNING', `another operation on this install is running: ${kind}`, {
    details: { operation: kind },
  });
}
