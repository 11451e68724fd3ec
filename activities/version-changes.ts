import { ALWAYS_GRANTED, type Grant } from '../core/capabilities.ts';
import { PlatformError } from '../core/errors.ts';
import type { FailureReason, Step } from '../core/progress.ts';
import { checkUpgrade } from '../core/upgrade.ts';
import type { InstallLifecycleStore } from '../platform/db/install-lifecycle.ts';
import type { ExtensionVersion, RegistryStore } from '../platform/db/registry.ts';
import type { VersionChangeStore } from '../platform/db/version-changes.ts';
import type { InstallRef, RequestedCapability } from './installs.ts';
import type { OperationRef } from './install-lifecycle.ts';
import type { VersionTrust } from './version-trust.ts';
import { attempts, done, operationOf, runId, underWay, type Done } from './own-run.ts';
import type { RunnerExecutions } from './runners.ts';

export interface VersionChangeDeps {
  changes: VersionChangeStore;
  lifecycle: Pick<InstallLifecycleStore, 'show'>;
  registry: Pick<RegistryStore, 'findVersionById'>;
  runners: Pick<RunnerExecutions, 'warmVersion' | 'probeVersion'>;
  versionTrust: Pick<VersionTrust, 'check'>;
}

export interface OpenChangeInput extends OperationRef {
  kind: 'upgrade' | 'rollback';
  versionId: string;
  /** Of the request. */
  digest: string;
}

export interface OpenChangeResult extends Done {
  /** What the version asks for beyond what is granted; of one that is gone back to nothing. */
  added: RequestedCapability[];
  /** Path of the endpoint that must answer before the version may serve, if its manifest names one. */
  health?: string;
}

export interface StageUpgradeInput extends OperationRef {
  draftId: string;
  consent: 'all' | readonly string[];
  /** Scopes that the admin gave what is consented to, narrower than what is asked for. */
  narrowed?: readonly Grant[];
  grantedBy: string;
}

export interface StageUpgradeResult extends Done {
  /** Nothing was staged: paths of settings that have to be given first. */
  needed: string[];
}

export interface LeaveUpgradeInput extends OperationRef {
  versionId: string;
  waitingFor: 'consent' | 'settings';
  /** In words for an operator: for what. */
  title: string;
}

export interface UndoChangeInput extends InstallRef {
  /** Removed with it. */
  draftId?: string;
}

export interface WithdrawUpgradeInput extends InstallRef {
  versionId: string;
  /** Of the request that waited: another one's wait is not touched. */
  digest: string;
  draftId: string;
  steps: Step[];
  /** Why it could not go on; absent if it was declined. */
  error?: FailureReason;
}

export type VersionChangeActivities = ReturnType<typeof createVersionChangeActivities>;

/** What an upgrade or a roll-back does. Each shows its attempts in the row, and bears to run twice. */
export function createVersionChangeActivities({
  changes,
  lifecycle,
  registry,
  runners,
  versionTrust,
}: VersionChangeDeps) {
  const show = ({ tenantId, installId, steps }: OperationRef): Promise<void> =>
    lifecycle.show(tenantId, installId, { runId: runId(), steps: underWay(steps) });

  async function versionById(versionId: string): Promise<ExtensionVersion> {
    const version = await registry.findVersionById(versionId);
    if (!version) throw new PlatformError('NOT_FOUND', 'there is no such version');
    return version;
  }

  return {
    /** Takes the row for the change, which shows what it is on the way to. */
    async openChange({
      tenantId,
      installId,
      kind,
      versionId,
      digest,
      steps,
    }: OpenChangeInput): Promise<OpenChangeResult> {
      await versionTrust.check(versionId);
      const { manifest } = await versionById(versionId);
      const opening = { kind, versionId, digest, operation: operationOf(kind), steps: done(steps) };
      await changes.open(tenantId, installId, opening);
      const { added } =
        kind === 'upgrade'
          ? checkUpgrade(await changes.upgradable(tenantId, installId), manifest)
          : { added: [] };
      const { health } = manifest;
      return {
        added: added
          .filter(({ name }) => !ALWAYS_GRANTED.includes(name))
          .map(({ name, scope, optional }) => ({ capability: name, scope, optional })),
        ...(health !== undefined && { health }),
        ...attempts(),
      };
    },

    /** Prepares what the next version will be granted and configured with. The one that serves sees nothing of it. */
    async stageUpgrade({
      draftId,
      consent,
      narrowed,
      grantedBy,
      ...ref
    }: StageUpgradeInput): Promise<StageUpgradeResult> {
      await show(ref);
      const { tenantId, installId } = ref;
      const staged = await changes.stage(tenantId, installId, {
        runId: runId(),
        draftId,
        consent,
        grantedBy,
        ...(narrowed && { narrowed }),
      });
      return { ...staged, ...attempts() };
    },

    /** Leaves the next version to wait for a person; no operation holds the install meanwhile. */
    async leaveUpgrade({
      tenantId,
      installId,
      versionId,
      waitingFor,
      steps,
    }: LeaveUpgradeInput): Promise<void> {
      await changes.wait(tenantId, installId, { runId: runId(), versionId, waitingFor, steps });
    },

    /** The version serves from here on, with its own config and grants. */
    async switchVersion({ tenantId, installId, steps }: OperationRef): Promise<Done> {
      await changes.switch(tenantId, installId, { runId: runId(), steps: done(steps) });
      return attempts();
    },

    /** Asks the version that serves, the way calls find it. A second time asks again. */
    async verifyVersion({ health, ...ref }: OperationRef & { health?: string }): Promise<Done> {
      await show(ref);
      const { tenantId, installId } = ref;
      await runners.warmVersion({ tenantId, installId });
      if (health !== undefined) await runners.probeVersion({ tenantId, installId, health });
      return attempts();
    },

    /** The change is done: the version before is kept, and the operation has ended. */
    async finishChange({
      tenantId,
      installId,
      steps,
      draftId,
    }: OperationRef & { draftId?: string }): Promise<Done> {
      await changes.finish(tenantId, installId, {
        runId: runId(),
        steps: done(steps),
        ...(draftId !== undefined && { draftId }),
      });
      return attempts();
    },

    /** Undo of `switchVersion`: the version before serves again, with its config and grants. Nothing to undo is no error. */
    async switchBack({ tenantId, installId }: InstallRef): Promise<void> {
      await changes.switchBack(tenantId, installId, runId());
    },

    /** Undo of `openChange` and `stageUpgrade`; nothing to undo is no error. */
    async closeChange({ tenantId, installId, ...rest }: UndoChangeInput): Promise<void> {
      await changes.close(tenantId, installId, { runId: runId(), ...rest });
    },

    /** Nobody waits for the version any more. */
    async withdrawUpgrade({ tenantId, installId, ...waited }: WithdrawUpgradeInput): Promise<void> {
      await changes.withdraw(tenantId, installId, waited);
    },
  };
}
