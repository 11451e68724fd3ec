import {
  ALWAYS_GRANTED,
  capabilityEntry,
  type CapabilityName,
  type CapabilityScope,
  type Grant,
} from '../core/capabilities.ts';
import { PlatformError } from '../core/errors.ts';
import type { NarrowedGrant } from '../core/grants.ts';
import { requestedCapabilities } from '../core/manifest/permissions.ts';
import { stepsWhenBegun, type FailureReason, type InstallStepName, type Step } from '../core/progress.ts';
import type { InstallDraftStore } from '../platform/db/install-drafts.ts';
import type { InstallOperationStore } from '../platform/db/install-operations.ts';
import type { RegistryStore } from '../platform/db/registry.ts';
import type { VersionTrust } from './version-trust.ts';
import { attempts, done, operationOf, runId, shownDone, type Done } from './own-run.ts';

export interface InstallDeps {
  operations: InstallOperationStore;
  drafts: Pick<InstallDraftStore, 'remove' | 'fail'>;
  registry: Pick<RegistryStore, 'findVersionById'>;
  versionTrust: Pick<VersionTrust, 'check'>;
}

export interface InstallRef {
  tenantId: string;
  installId: string;
}

/** Which install, and the steps as they stand: the one that runs is the activity's own. */
export interface InstallStepRef extends InstallRef {
  steps: Step<InstallStepName>[];
}

export interface OpenInstallInput extends InstallStepRef {
  extensionId: string;
  versionId: string;
  digest: string;
}

/** A capability the version asks for, beyond those that every install has; one that nobody serves is not asked about. */
export interface RequestedCapability {
  capability: CapabilityName;
  scope: CapabilityScope;
  optional: boolean;
}

export interface OpenInstallResult {
  requested: RequestedCapability[];
  /** Path of the endpoint that must answer before the version may serve, if its manifest names one. */
  health?: string;
  attempts: number;
}

export interface WaitForConsentInput extends InstallStepRef {
  versionId: string;
  requested: RequestedCapability[];
}

export interface WaitForSettingsInput extends InstallStepRef {
  versionId: string;
  /** Paths of those that have to be given. */
  needed: string[];
}

export interface GrantCapabilitiesInput extends InstallStepRef {
  grants: Grant[];
  grantedBy: string;
}

export interface NarrowGrantsStep extends InstallRef {
  grants: readonly NarrowedGrant[];
  grantedBy: string;
}

export interface DraftRef extends InstallRef {
  draftId: string;
}

export interface DiscardDraftInput extends DraftRef {
  /** Why a change comes to nothing, for whoever asked for it; absent where something else says so. */
  error?: FailureReason;
}

export interface ApplyDraftInput extends DraftRef {
  /** Of the operation that the change is a step of; absent where it is all that is done. */
  steps?: Step<InstallStepName>[];
}

export interface ApplyDraftResult {
  configVersion: number;
  secretsVersion: number;
  /** Nothing was applied: paths of settings that have to be given first. Of the draft of an install only. */
  needed?: string[];
  attempts: number;
}

export interface ActivateInstallInput extends InstallStepRef {
  versionId: string;
}

export type EndInstallInput = InstallStepRef &
  ({ status: 'failed'; error: FailureReason } | { status: 'declined' });

export type InstallActivities = ReturnType<typeof createInstallActivities>;

/**
 * Everything an install changes in the database. Those of its steps show in the same transaction that the step is done. Each may run
 * twice: the second time changes nothing and answers the same.
 */
export function createInstallActivities({ operations, drafts, registry, versionTrust }: InstallDeps) {
  return {
    /** Writes the row, or takes it up again after a person's decision, and answers what the version asks consent for. */
    async openInstall(input: OpenInstallInput): Promise<OpenInstallResult> {
      const { tenantId, installId, extensionId, versionId, digest, steps } = input;
      await versionTrust.check(versionId);
      const version = await registry.findVersionById(versionId);
      if (version?.extensionId !== extensionId || version.status !== 'published') {
        throw new PlatformError('NOT_FOUND', 'there is no such published version to install');
      }
      const operation = operationOf('install');
      await operations.open(tenantId, {
        ...{ installId, extensionId, versionId, digest, operation },
        steps: done(steps),
      });
      const requested = requestedCapabilities(version.manifest)
        .filter(({ name }) => !ALWAYS_GRANTED.includes(name) && capabilityEntry(name).provided)
        .map(({ name, scope, optional }) => ({ capability: name, scope, optional }));
      const { health } = version.manifest;
      return { requested, ...(health !== undefined && { health }), ...attempts() };
    },

    /** Leaves the version to wait for a person; no operation holds the install meanwhile. */
    async waitForConsent({ tenantId, installId, versionId, steps }: WaitForConsentInput): Promise<void> {
      await operations.wait(tenantId, installId, versionId, {
        waitingFor: 'consent',
        runId: runId(),
        steps,
      });
    },

    /** The same for settings that it needs and that nobody gave. */
    async waitForSettings({ tenantId, installId, versionId, steps }: WaitForSettingsInput): Promise<void> {
      await operations.wait(tenantId, installId, versionId, {
        waitingFor: 'settings',
        runId: runId(),
        steps,
      });
    },

    async grantCapabilities(input: GrantCapabilitiesInput): Promise<Done> {
      const { tenantId, installId, grants, grantedBy, steps } = input;
      await operations.grant(tenantId, installId, grants, grantedBy, shownDone(steps));
      return attempts();
    },

    /** Replaces the grants of the version that the install has by what is left of them. */
    async narrowGrants({ tenantId, installId, ...kept }: NarrowGrantsStep): Promise<{ grants: Grant[] }> {
      return { grants: await operations.narrowGrants(tenantId, installId, kept) };
    },

    /** Undo of `grantCapabilities`; nothing to revoke is no error. */
    async revokeCapabilities({ tenantId, installId }: InstallRef): Promise<void> {
      await operations.revokeGrants(tenantId, installId);
    },

    /**
     * Moves config and sealed secrets out of the draft; the draft is gone in the same transaction. One of an install that lacks settings
     * stays, and nothing is shown. Of an install the version is being loaded meanwhile, which is what is shown as running then.
     */
    async applyDraft({ tenantId, installId, draftId, steps }: ApplyDraftInput): Promise<ApplyDraftResult> {
      const shown = steps && shownDone(steps);
      if (shown) shown.steps = stepsWhenBegun(shown.steps, 'warm', new Date().toISOString());
      return { ...(await operations.applyDraft(tenantId, installId, draftId, shown)), ...attempts() };
    },

    /** Undo of `applyDraft` in a new install; nothing to clear is no error. */
    async clearSettings({ tenantId, installId }: InstallRef): Promise<void> {
      await operations.clearSettings(tenantId, installId);
    },

    /** Removes or empties a draft that nobody will apply; nothing to remove is no error. */
    async discardDraft({ tenantId, draftId, error }: DiscardDraftInput): Promise<void> {
      await (error ? drafts.fail(tenantId, draftId, error) : drafts.remove(tenantId, draftId));
    },

    /** The version serves from here on. */
    async activateInstall({ tenantId, installId, versionId, steps }: ActivateInstallInput): Promise<Done> {
      await operations.activate(tenantId, installId, versionId, done(steps));
      return attempts();
    },

    /** Undo of `activateInstall`; an install that is not active stays as it is. */
    async deactivateInstall({ tenantId, installId }: InstallRef): Promise<void> {
      await operations.deactivate(tenantId, installId);
    },

    /** Ends an install that did not become active. The first end stays. */
    async endInstall({ tenantId, installId, ...end }: EndInstallInput): Promise<void> {
      await operations.end(tenantId, installId, end);
    },
  };
}
