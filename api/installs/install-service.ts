import { randomUUID } from 'node:crypto';
import type { ConsentItem } from '../../core/api/installs.ts';
import { isPlatformError, PlatformError, type ErrorCode } from '../../core/errors.ts';
import { installWorkflowId } from '../../core/ids.ts';
import {
  checkGivenConfig,
  checkGivenSecrets,
  checkSecrets,
  defaultConfig,
  validateConfig,
} from '../../core/install-config.ts';
import { matchVersion } from '../../core/version.ts';
import type { ConfigStamps, InstallDraftStore } from '../../platform/db/install-drafts.ts';
import type { Install, InstallStore } from '../../platform/db/installs.ts';
import type { ExtensionVersion, RegistryStore } from '../../platform/db/registry.ts';
import { onceBegun } from '../once-begun.ts';
import type { Principal } from '../principal.ts';
import type { WorkflowStarter } from '../workflow-starter.ts';
import { readConsent, refuseUnavailable } from './consent.ts';
import type { SecretChanges, DraftContent } from './write-draft.ts';
import { installOfDraft } from './drafted-install.ts';
import type { DraftedOperation } from './drafted-operation.ts';
import { revealed, type InputDigest } from './input-digest.ts';
import { createWaitingDecisions } from './waiting-decisions.ts';

const TRIES = 3;
const OVERTAKEN: readonly ErrorCode[] = ['INSTALL_EXISTS', 'STATE_CONFLICT'];

/** Statuses in which the extension is there, served or held back. */
const INSTALLED: readonly Install['status'][] = ['active', 'disabled', 'paused', 'quarantined'];

export interface InstallRequest {
  extension: string;
  version?: string | undefined;
  config: Record<string, unknown>;
  secrets: SecretChanges;
  consent: 'all' | readonly ConsentItem[];
}

export interface InstallServiceDeps {
  registry: Pick<RegistryStore, 'findExtension' | 'publishedVersions' | 'findVersion' | 'findVersionById'>;
  installs: Pick<InstallStore, 'find' | 'findByExtension' | 'secretNames'>;
  drafts: Pick<InstallDraftStore, 'findInstall' | 'stampsOf'>;
  draftedOperation: DraftedOperation;
  inputDigest: InputDigest;
  workflows: Pick<WorkflowStarter, 'startInstall' | 'configureInstall' | 'decideConsent' | 'decideSettings'>;
}

/** A change of config or secrets: the stamps it led to, absent while nobody can tell whether it was applied. */
export interface Configured {
  workflowId: string;
  changeId: string;
  applied?: ConfigStamps;
}

/** The config that was asked for: another request may have changed it since. */
export interface ConfigChanged extends Configured {
  config: Record<string, unknown>;
}

export type InstallService = ReturnType<typeof createInstallService>;

/** Checks what an admin asks of an install, prepares it for a workflow and starts that; the workflow does the work. */
// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the inferred type is the contract
export function createInstallService(deps: InstallServiceDeps) {
  const { registry, installs, drafts, draftedOperation, inputDigest, workflows } = deps;

  /** Throws NOT_FOUND, for a foreign install as for none. */
  async function find(tenantId: string, installId: string): Promise<Install> {
    const install = await installs.find(tenantId, installId);
    if (install) return install;
    const drafted = await drafts.findInstall(tenantId, installId);
    if (!drafted) throw new PlatformError('NOT_FOUND', 'there is no such install');
    const live = await installs.findByExtension(tenantId, drafted.extensionId);
    // The row may have come between the two looks.
    if (live?.installId === installId) return live;
    return installOfDraft(tenantId, drafted, live !== undefined);
  }

  async function resolveVersion(ref: string, wanted: string | undefined): Promise<ExtensionVersion> {
    const extension = await registry.findExtension(ref);
    const { extensionId } = extension ?? {};
    const number = extensionId && matchVersion(wanted, await registry.publishedVersions(extensionId));
    const version = number && extensionId && (await registry.findVersion(extensionId, number));
    if (!version)
      throw new PlatformError('NOT_FOUND', 'there is no such extension, or no such version of it');
    return version;
  }

  const versionOf = ({ versionId }: Install): Promise<ExtensionVersion> => versionById(versionId);

  async function versionById(versionId: string): Promise<ExtensionVersion> {
    const version = await registry.findVersionById(versionId);
    if (!version) throw new PlatformError('INTERNAL', 'an install names a version that is not there');
    return version;
  }

  /** Runs a change of config or secrets as a workflow and answers what it led to, if that is known. */
  async function configure(
    { tenantId, keyId: requestedBy }: Principal,
    { installId, extensionId, extension, versionId }: Install,
    change: Pick<DraftContent, 'config' | 'secrets' | 'replaceSecrets' | 'reset'>,
  ): Promise<Configured> {
    const asked = { installId, versionId, ...change };
    const digest = inputDigest({ ...asked, secrets: revealed(change.secrets) });
    const { begun, draftId: changeId } = await draftedOperation(
      { tenantId, extensionId },
      { ...asked, kind: 'configure', digest },
      async ({ draftId }) => {
        await workflows.configureInstall({
          ...{ tenantId, extensionId, extension, installId },
          ...{ draftId, requestedBy, digest },
        });
        return { draftId };
      },
    );
    const applied = begun ? await onceBegun(drafts.stampsOf(tenantId, changeId)) : undefined;
    return { workflowId: installWorkflowId(tenantId, extensionId), changeId, ...(applied && { applied }) };
  }

  async function findConfigurable(tenantId: string, installId: string): Promise<Install> {
    const install = await find(tenantId, installId);
    if (!INSTALLED.includes(install.status)) {
      throw new PlatformError('STATE_CONFLICT', `an install that is ${install.status} cannot be configured`);
    }
    return install;
  }

  return {
    find,

    /**
     * Starts the install, or joins the same one that runs; until it has a row, its draft answers for it. `already` if that version is
     * installed. Throws INSTALL_EXISTS at another.
     */
    async install(
      { tenantId, keyId: requestedBy }: Principal,
      request: InstallRequest,
    ): Promise<{ installId: string; workflowId: string; already: boolean }> {
      const { manifest, ...version } = await resolveVersion(request.extension, request.version);
      const { extensionId, versionId } = version;
      refuseUnavailable(manifest);
      const given = request.consent === 'all' ? undefined : readConsent(manifest, request.consent, 'consent');
      const { names: consent, narrowed } = given ?? { names: 'all' as const, narrowed: [] };
      // What is required and not given yet is waited for.
      const config = checkGivenConfig(manifest.settings, request.config);
      const { secrets } = request;
      checkGivenSecrets(manifest.secrets, secrets);
      const digest = inputDigest({
        ...{ tenantId, versionId, consent, narrowed, config },
        secrets: revealed(secrets),
      });

      const begin = async (tries: number): Promise<{ installId: string; already: boolean }> => {
        const existing = await installs.findByExtension(tenantId, extensionId);
        if (existing && INSTALLED.includes(existing.status)) {
          if (existing.activeVersionId !== versionId) throw installedAt(existing.version);
          return { installId: existing.installId, already: true };
        }
        const isSame = existing?.pendingDigest === digest;
        if (existing?.pending?.waitingFor) {
          if (!isSame) throw awaitsDecision(existing);
          return { installId: existing.installId, already: false };
        }
        const proposed = isSame ? existing.installId : randomUUID();
        try {
          const { installId } = await draftedOperation(
            { tenantId, extensionId },
            {
              installId: proposed,
              versionId,
              config,
              secrets,
              kind: 'install',
              digest,
              replaceSecrets: true,
            },
            (ids) =>
              workflows.startInstall({
                ...ids,
                tenantId,
                extensionId,
                extension: version.extension,
                versionId,
                contentHash: version.contentHash,
                version: version.version,
                consent,
                ...(narrowed.length > 0 && { narrowed }),
                requestedBy,
                digest,
              }),
          );
          return { installId, already: false };
        } catch (err) {
          // Another request was faster: what it has made of the install by now decides.
          if (tries >= TRIES || !isPlatformError(err) || !OVERTAKEN.includes(err.code)) throw err;
          return begin(tries + 1);
        }
      };
      return { workflowId: installWorkflowId(tenantId, extensionId), ...(await begin(1)) };
    },

    async replaceConfig(principal: Principal, installId: string, values: unknown): Promise<ConfigChanged> {
      const install = await findConfigurable(principal.tenantId, installId);
      const { manifest } = await versionOf(install);
      const config = validateConfig(manifest.settings, values);
      return { config, ...(await configure(principal, install, { config, replaceSecrets: false })) };
    },

    /** The manifest's defaults, and no secrets. */
    async reset(principal: Principal, installId: string): Promise<ConfigChanged> {
      const install = await findConfigurable(principal.tenantId, installId);
      const config = defaultConfig((await versionOf(install)).manifest.settings);
      const change = { reset: true, secrets: {}, replaceSecrets: true };
      return { config, ...(await configure(principal, install, change)) };
    },

    /** Secrets that are not named stay. */
    async changeSecrets(
      principal: Principal,
      installId: string,
      secrets: SecretChanges,
    ): Promise<Configured> {
      const install = await findConfigurable(principal.tenantId, installId);
      const { manifest } = await versionOf(install);
      const kept = Object.keys(await installs.secretNames(principal.tenantId, installId));
      checkSecrets(manifest.secrets, secrets, kept);
      return configure(principal, install, { secrets, replaceSecrets: false });
    },

    /** Removes all of them. Throws SETTINGS_INVALID if the version requires one. */
    async clearSecrets(principal: Principal, installId: string): Promise<Configured> {
      const install = await findConfigurable(principal.tenantId, installId);
      checkSecrets((await versionOf(install)).manifest.secrets, {}, []);
      return configure(principal, install, { secrets: {}, replaceSecrets: true });
    },

    /** Which of the declared secrets are set. Never values. */
    async describeSecrets(
      tenantId: string,
      install: Install,
    ): Promise<Record<string, { set: boolean; updatedAt?: Date }>> {
      const { manifest } = await versionOf(install);
      const set = await installs.secretNames(tenantId, install.installId);
      return Object.fromEntries(
        manifest.secrets.map(({ name }) => {
          const updatedAt = set[name];
          return [name, updatedAt ? { set: true, updatedAt } : { set: false }];
        }),
      );
    },

    ...createWaitingDecisions({ find, versionById, workflows }),
  };
}

function awaitsDecision({ installId, pending }: Install): PlatformError {
  return new PlatformError(
    'STATE_CONFLICT',
    `version ${pending?.version ?? ''} is being installed as ${installId} and waits for ${pending?.waitingFor ?? ''}; decide that first, or send the same request again`,
  );
}

function installedAt(version: string): PlatformError {
  return new PlatformError('INSTALL_EXISTS', `the extension is installed at version ${version}`);
}
