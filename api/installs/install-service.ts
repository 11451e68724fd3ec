import { randomUUID } from 'node:crypto';
import { PlatformError } from '../../core/errors.ts';
import { checkSecrets, validateSettings } from '../../core/settings.ts';
import { matchVersion } from '../../core/version.ts';
import type { Install, InstallStore } from '../../platform/db/installs.ts';
import type { ExtensionVersion, RegistryStore } from '../../platform/db/registry.ts';
import type { ConsentDecision } from '../../workflows/messages.ts';
import type { Principal } from '../principal.ts';
import type { WorkflowStarter } from '../workflow-starter.ts';
import { checkConsent, needsDecision, refuseUnavailable } from './consent.ts';
import type { DraftSettings, SecretChanges, SettingsChange } from './draft-settings.ts';
import type { InputDigest } from './input-digest.ts';

const DRAFT_LIFETIME_MS = 60 * 60 * 1000;
/** Consent may take a week (workflows/await-consent.ts); what was sealed for the install has to outlast it. */
const UNDECIDED_DRAFT_LIFETIME_MS = 8 * 24 * DRAFT_LIFETIME_MS;

/** Statuses in which the extension is there, served or held back. */
const INSTALLED: readonly Install['status'][] = ['active', 'disabled', 'paused', 'quarantined'];

export interface InstallRequest {
  extension: string;
  version?: string | undefined;
  config: Record<string, unknown>;
  secrets: SecretChanges;
  consent: 'all' | readonly string[];
}

export interface InstallServiceDeps {
  registry: Pick<RegistryStore, 'findExtension' | 'publishedVersions' | 'findVersion' | 'findVersionById'>;
  installs: Pick<InstallStore, 'find' | 'findByExtension' | 'secretNames'>;
  draftSettings: DraftSettings;
  inputDigest: InputDigest;
  workflows: Pick<WorkflowStarter, 'startInstall' | 'configureInstall' | 'decideConsent'>;
}

export type InstallService = ReturnType<typeof createInstallService>;

/** Checks what an admin asks of an install, prepares it for a workflow and starts that; the workflow does the work. */
// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the inferred type is the contract
export function createInstallService(deps: InstallServiceDeps) {
  const { registry, installs, draftSettings, inputDigest, workflows } = deps;

  /** Throws NOT_FOUND, for a foreign install as for none. */
  async function find(tenantId: string, installId: string): Promise<Install> {
    const install = await installs.find(tenantId, installId);
    if (!install) throw new PlatformError('NOT_FOUND', 'there is no such install');
    return install;
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

  /** Runs a change of settings as a workflow and answers the install after it. */
  async function configure(
    { tenantId, keyId }: Principal,
    install: Install,
    change: Omit<SettingsChange, 'versionId' | 'lifetimeMs'>,
  ): Promise<Install> {
    const { installId, extensionId, versionId } = install;
    const settings = { ...change, versionId };
    const draftId = await draftSettings(tenantId, installId, { ...settings, lifetimeMs: DRAFT_LIFETIME_MS });
    const digest = inputDigest({ installId, ...settings, secrets: revealed(settings.secrets) });
    const input = { tenantId, extensionId, installId, draftId, requestedBy: keyId, digest };
    await workflows.configureInstall(input);
    return find(tenantId, installId);
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

    /** Starts the install, or joins the same one that runs. `already` if that version is installed. Throws INSTALL_EXISTS at another. */
    async install(
      { tenantId, keyId: requestedBy }: Principal,
      request: InstallRequest,
    ): Promise<{ installId: string; extensionId: string; already: boolean }> {
      const { manifest, ...version } = await resolveVersion(request.extension, request.version);
      const { extensionId, versionId } = version;
      refuseUnavailable(manifest);
      const consent = request.consent === 'all' ? 'all' : checkConsent(manifest, request.consent, 'consent');
      const config = validateSettings(manifest.settings, request.config);
      checkSecrets(manifest.secrets, request.secrets, []);
      const { secrets } = request;
      const digest = inputDigest({ tenantId, versionId, consent, config, secrets: revealed(secrets) });

      const existing = await installs.findByExtension(tenantId, extensionId);
      if (existing && INSTALLED.includes(existing.status)) {
        if (existing.activeVersionId !== versionId) throw installedAt(existing.version);
        return { installId: existing.installId, extensionId, already: true };
      }
      if (existing?.pending?.waitingFor) {
        if (existing.pendingDigest !== digest) throw awaitsDecision(existing);
        return { installId: existing.installId, extensionId, already: false };
      }
      const proposedId = existing?.installId ?? randomUUID();
      const lifetimeMs = needsDecision(manifest, consent) ? UNDECIDED_DRAFT_LIFETIME_MS : DRAFT_LIFETIME_MS;
      const draft = { versionId, config, secrets, replaceSecrets: true, lifetimeMs };
      const draftId = await draftSettings(tenantId, proposedId, draft);
      const { installId } = await workflows.startInstall({
        tenantId,
        extensionId,
        installId: proposedId,
        versionId,
        contentHash: version.contentHash,
        version: version.version,
        draftId,
        consent,
        requestedBy,
        digest,
      });
      return { installId, extensionId, already: false };
    },

    async replaceConfig(principal: Principal, installId: string, values: unknown): Promise<Install> {
      const install = await findConfigurable(principal.tenantId, installId);
      const { manifest } = await versionOf(install);
      const config = validateSettings(manifest.settings, values);
      return configure(principal, install, { config, replaceSecrets: false });
    },

    /** The manifest's defaults, and no secrets. */
    async reset(principal: Principal, installId: string): Promise<Install> {
      const install = await findConfigurable(principal.tenantId, installId);
      return configure(principal, install, { reset: true, secrets: {}, replaceSecrets: true });
    },

    /** Secrets that are not named stay. */
    async changeSecrets(principal: Principal, installId: string, secrets: SecretChanges): Promise<Install> {
      const install = await findConfigurable(principal.tenantId, installId);
      const { manifest } = await versionOf(install);
      const kept = Object.keys(await installs.secretNames(principal.tenantId, installId));
      checkSecrets(manifest.secrets, secrets, kept);
      return configure(principal, install, { secrets, replaceSecrets: false });
    },

    /** Removes all of them. Throws SETTINGS_INVALID if the version requires one. */
    async clearSecrets(principal: Principal, installId: string): Promise<Install> {
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

    /** Throws STATE_CONFLICT while the install does not wait for consent. */
    async decideConsent(
      { tenantId, keyId: decidedBy }: Principal,
      installId: string,
      { decision, capabilities }: Omit<ConsentDecision, 'decidedBy'>,
    ): Promise<void> {
      const { extensionId, status, pending } = await find(tenantId, installId);
      if (pending?.waitingFor !== 'consent') {
        throw new PlatformError('STATE_CONFLICT', `an install that is ${status} awaits no consent`);
      }
      const { versionId } = pending;
      const { manifest } = await versionById(versionId);
      const consented = capabilities && checkConsent(manifest, capabilities, 'capabilities');
      const waiting = { tenantId, extensionId, installId, versionId };
      await workflows.decideConsent(waiting, {
        decision,
        ...(consented && { capabilities: consented }),
        decidedBy,
      });
    },
  };
}

/** For the keyed digest alone. */
function revealed(secrets: SecretChanges | undefined): Record<string, string | null> {
  return Object.fromEntries(
    Object.entries(secrets ?? {}).map(([name, value]) => [name, value && value.reveal()]),
  );
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
