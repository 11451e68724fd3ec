import { activityInfo } from '@temporalio/activity';
import {
  ALWAYS_GRANTED,
  capabilityEntry,
  type CapabilityName,
  type CapabilityScope,
  type Grant,
} from '../core/capabilities.ts';
import { PlatformError } from '../core/errors.ts';
import { installWorkflowId } from '../core/ids.ts';
import { requestedCapabilities } from '../core/manifest/permissions.ts';
import type { FailureReason, InstallStepName, Step } from '../core/progress.ts';
import type { InstallDraftStore } from '../platform/db/install-drafts.ts';
import type { InstallOperationStore } from '../platform/db/install-operations.ts';
import type { RegistryStore } from '../platform/db/registry.ts';

export interface InstallDeps {
  operations: InstallOperationStore;
  drafts: Pick<InstallDraftStore, 'remove' | 'fail'>;
  registry: Pick<RegistryStore, 'findVersionById'>;
}

export interface InstallRef {
  tenantId: string;
  installId: string;
}

export interface OpenInstallInput extends InstallRef {
  extensionId: string;
  versionId: string;
  digest: string;
  steps: Step<InstallStepName>[];
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

export interface SaveInstallProgressInput extends InstallRef {
  status: 'installing' | 'awaiting-consent';
  steps: Step<InstallStepName>[];
}

export interface WaitForConsentInput extends InstallRef {
  versionId: string;
  steps: Step<InstallStepName>[];
}

export interface GrantCapabilitiesInput extends InstallRef {
  grants: Grant[];
  grantedBy: string;
}

export interface DraftRef extends InstallRef {
  draftId: string;
}

export interface DiscardDraftInput extends DraftRef {
  /** Why a change comes to nothing, for whoever asked for it; absent where something else says so. */
  error?: FailureReason;
}

export interface ApplyDraftResult {
  configVersion: number;
  secretsVersion: number;
  attempts: number;
}

export interface ActivateInstallInput extends InstallRef {
  versionId: string;
  steps: Step<InstallStepName>[];
}

export type EndInstallInput = InstallRef & { steps: Step<InstallStepName>[] } & (
    { status: 'failed'; error: FailureReason } | { status: 'declined' }
  );

export type InstallActivities = ReturnType<typeof createInstallActivities>;

/** Everything an install changes in the database. Each may run twice: the second time changes nothing and answers the same. */
export function createInstallActivities({ operations, drafts, registry }: InstallDeps) {
  return {
    /** Writes the row, or takes it up again after a person's decision, and answers what the version asks consent for. */
    async openInstall(input: OpenInstallInput): Promise<OpenInstallResult> {
      const { tenantId, installId, extensionId, versionId, digest, steps } = input;
      const version = await registry.findVersionById(versionId);
      if (version?.extensionId !== extensionId || version.status !== 'published') {
        throw new PlatformError('NOT_FOUND', 'there is no such published version to install');
      }
      const workflowId = installWorkflowId(tenantId, extensionId);
      const operation = { kind: 'install', workflowId, startedAt: new Date().toISOString() } as const;
      await operations.open(tenantId, { installId, extensionId, versionId, digest, operation, steps });
      const requested = requestedCapabilities(version.manifest)
        .filter(({ name }) => !ALWAYS_GRANTED.includes(name) && capabilityEntry(name).provided)
        .map(({ name, scope, optional }) => ({ capability: name, scope, optional }));
      const { health } = version.manifest;
      return { requested, ...(health !== undefined && { health }), attempts: activityInfo().attempt };
    },

    /** Leaves the version to wait for a person; no operation holds the install meanwhile. */
    async waitForConsent({ tenantId, installId, versionId, steps }: WaitForConsentInput): Promise<void> {
      await operations.wait(tenantId, installId, versionId, { waitingFor: 'consent', steps });
    },

    /** Shows the progress in the row; after the install's end it writes nothing. */
    async saveInstallProgress({ tenantId, installId, ...progress }: SaveInstallProgressInput): Promise<void> {
      await operations.saveProgress(tenantId, installId, progress);
    },

    async grantCapabilities(input: GrantCapabilitiesInput): Promise<{ attempts: number }> {
      const { tenantId, installId, grants, grantedBy } = input;
      await operations.grant(tenantId, installId, grants, grantedBy);
      return { attempts: activityInfo().attempt };
    },

    /** Undo of `grantCapabilities`; nothing to revoke is no error. */
    async revokeCapabilities({ tenantId, installId }: InstallRef): Promise<void> {
      await operations.revokeGrants(tenantId, installId);
    },

    /** Moves config and sealed secrets out of the draft; the draft is gone in the same transaction. */
    async applyDraft({ tenantId, installId, draftId }: DraftRef): Promise<ApplyDraftResult> {
      const versions = await operations.applyDraft(tenantId, installId, draftId);
      return { ...versions, attempts: activityInfo().attempt };
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
    async activateInstall(input: ActivateInstallInput): Promise<{ attempts: number }> {
      await operations.activate(input.tenantId, input.installId, input.versionId, input.steps);
      return { attempts: activityInfo().attempt };
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
