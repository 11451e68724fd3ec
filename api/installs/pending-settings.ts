import { isPlatformError, PlatformError } from '../../core/errors.ts';
import { checkGivenConfig, checkGivenSecrets } from '../../core/install-config.ts';
import type { Manifest } from '../../core/manifest/manifest.ts';
import { carrySettings, type CarriedSettings } from '../../core/upgrade.ts';
import type { HeldDraft, InstallDraft, InstallDraftStore } from '../../platform/db/install-drafts.ts';
import type { Install, InstallStore } from '../../platform/db/installs.ts';
import type { RegistryStore } from '../../platform/db/registry.ts';
import type { Principal } from '../principal.ts';
import type { WorkflowStarter } from '../workflow-starter.ts';
import type { SealSecrets, SecretChanges } from './write-draft.ts';

export interface PendingSettingsDeps {
  registry: Pick<RegistryStore, 'findVersionById'>;
  installs: Pick<InstallStore, 'secretNames'>;
  drafts: Pick<InstallDraftStore, 'findHeld' | 'amend'>;
  sealSecrets: SealSecrets;
  workflows: Pick<WorkflowStarter, 'decideSettings'>;
}

/** A version that waits for settings, and what it has of them. */
export interface PendingSettings extends Pick<CarriedSettings, 'config' | 'needed'> {
  version: string;
  manifest: Manifest;
  /** Of those that the version declares. */
  secrets: Record<string, { set: boolean; updatedAt?: Date }>;
}

export interface SettingsOfPending {
  /** Undefined if no version of the install waits for settings. */
  find(install: Install): Promise<PendingSettings | undefined>;
  /**
   * Gives some of them; with the last one the version goes on, which is not known where Temporal did not say so. Throws
   * SETTINGS_INVALID, and STATE_CONFLICT if it waits no longer.
   */
  give(
    principal: Principal,
    install: Install,
    given: { config?: unknown; secrets?: SecretChanges },
  ): Promise<PendingSettings & { goesOn: boolean }>;
}

export function createPendingSettings(deps: PendingSettingsDeps): SettingsOfPending {
  const { registry, installs, drafts, sealSecrets, workflows } = deps;

  async function versionOf({
    pending,
  }: Install): Promise<{ versionId: string; version: string; manifest: Manifest }> {
    const found = pending && (await registry.findVersionById(pending.versionId));
    if (!found) throw new PlatformError('STATE_CONFLICT', 'the install waits for no settings');
    return found;
  }

  async function stateOf(
    install: Install,
    { version, manifest }: { version: string; manifest: Manifest },
    held: HeldDraft,
  ): Promise<PendingSettings> {
    const live = await installs.secretNames(install.tenantId, install.installId);
    // Of an install that never served nothing is there but the draft.
    const { config = {}, aside = {} } = install.activeVersionId === undefined ? {} : install;
    const given = Object.fromEntries(
      Object.entries(held.secrets).map(([name, isSet]) => [name, isSet ? {} : null]),
    );
    const from = { config, aside, secrets: Object.keys(live) };
    const carried = carrySettings(from, manifest, { config: held.config, secrets: given });
    return {
      version,
      manifest,
      config: carried.config,
      needed: carried.needed,
      secrets: Object.fromEntries(
        manifest.secrets.map(({ name }) => {
          const updatedAt = live[name];
          const set = held.secrets[name] ?? updatedAt !== undefined;
          return [name, { set, ...(set && updatedAt && { updatedAt }) }];
        }),
      ),
    };
  }

  return {
    async find(install) {
      if (install.pending?.waitingFor !== 'settings') return undefined;
      const held = await drafts.findHeld(install.tenantId, install.installId);
      return held && stateOf(install, await versionOf(install), held);
    },

    async give({ tenantId, keyId: decidedBy }, install, { config, secrets }) {
      const { installId } = install;
      const next = await versionOf(install);
      const { versionId, manifest } = next;
      const given: Pick<InstallDraft, 'versionId' | 'config' | 'secrets'> = { versionId };
      if (config !== undefined) given.config = checkGivenConfig(manifest.settings, config);
      if (secrets) {
        checkGivenSecrets(manifest.secrets, secrets);
        given.secrets = await sealSecrets({ tenantId, installId }, secrets);
      }
      const state = await stateOf(install, next, await drafts.amend(tenantId, installId, given));
      if (state.needed.length > 0) return { ...state, goesOn: false };
      const waiting = { installId, versionId };
      const goesOn = await workflows.decideSettings(waiting, { decision: 'given', decidedBy }).then(
        () => true,
        (err: unknown) => {
          // Somebody else gave the last one at the same time.
          if (isPlatformError(err) && err.code === 'STATE_CONFLICT') return true;
          if (isPlatformError(err) && err.code === 'TEMPORAL_OUTCOME_UNKNOWN') return false;
          throw err;
        },
      );
      return { ...state, goesOn };
    },
  };
}
