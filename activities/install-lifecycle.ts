import { setTimeout as delay } from 'node:timers/promises';
import { PlatformError } from '../core/errors.ts';
import { MAX_TIMEOUT_MS, START_WITHIN_MS } from '../core/execute.ts';
import { consentWorkflowId, installWorkflowId, settingsWorkflowId } from '../core/ids.ts';
import type {
  FailureReason,
  InstallOperationKind,
  InstallStatus,
  LifecycleKind,
  OperationStepName,
  Step,
  VersionChangeKind,
} from '../core/progress.ts';
import type { ExecutionStore } from '../platform/db/executions.ts';
import type { InstallLifecycleStore } from '../platform/db/install-lifecycle.ts';
import type { RegistryStore } from '../platform/db/registry.ts';
import type { VersionChangeStore } from '../platform/db/version-changes.ts';
import type { CancelWorkflow } from '../platform/temporal/cancel-workflow.ts';
import { withHeartbeat } from './heartbeat.ts';
import type { InstallRef } from './installs.ts';
import { attempts, done, operationOf, runId, underWay, type Done } from './own-run.ts';
import type { RunnerExecutions } from './runners.ts';

/** A call that has not ended by then was lost with its gateway or runner. */
const DRAIN_WITHIN_MS = START_WITHIN_MS + MAX_TIMEOUT_MS;
const LOOK_AGAIN_MS = 250;

export interface LifecycleDeps {
  lifecycle: InstallLifecycleStore;
  changes: Pick<VersionChangeStore, 'undoLeft'>;
  registry: Pick<RegistryStore, 'findVersionById'>;
  executions: Pick<ExecutionStore, 'listRunning' | 'anyRunning'>;
  runners: Pick<RunnerExecutions, 'warmVersion' | 'probeVersion'>;
  cancelWorkflow: CancelWorkflow;
}

/** Which install, and the steps of its operation as they stand: the one that runs is the activity's own. */
export interface ShownInstall extends InstallRef {
  kind: InstallOperationKind;
  steps: Step[];
}

export interface WarmInstallInput extends InstallRef {
  versionId: string;
  /** Absent where other steps run beside it, which show the row: then further attempts alone are shown, once its turn has come. */
  steps?: Step[];
}

export interface OperationRef extends ShownInstall {
  kind: LifecycleKind | VersionChangeKind;
  steps: Step<OperationStepName>[];
}

export interface OpenOperationResult {
  versionId: string;
  version: string;
  contentHash: string;
  /** Path of the endpoint that must answer before the version may serve, if its manifest names one. */
  health?: string;
  attempts: number;
}

/** What a held-back install becomes that served before. */
type Served = 'active' | 'paused';

export interface RestoreInstallResult extends OpenOperationResult {
  /** What the install was. */
  to: InstallStatus;
}

export interface StopInstallResult {
  /** The version that waited for a person, perhaps. */
  waits: { waitsFor?: string };
  attempts: number;
}

export type LifecycleActivities = ReturnType<typeof createLifecycleActivities>;

/**
 * What is done to an install that is there. Each shows its attempts in the row, as long as that is its operation's, and bears to run
 * twice.
 */
export function createLifecycleActivities(deps: LifecycleDeps) {
  const { lifecycle, registry, executions, runners } = deps;

  const show = ({ tenantId, installId, steps }: Omit<ShownInstall, 'kind'>): Promise<void> =>
    lifecycle.show(tenantId, installId, { runId: runId(), steps: underWay(steps) });

  async function drained(tenantId: string, installId: string, signal: AbortSignal): Promise<void> {
    const since = new Date(Date.now() - DRAIN_WITHIN_MS);
    const until = performance.now() + DRAIN_WITHIN_MS;
    const lookAgain = (): Promise<void> => delay(LOOK_AGAIN_MS, undefined, { signal });
    for (;;) {
      // Also at first: a call that was let in before the install was stopped may be about to write its row.
      await lookAgain();
      const running = await executions.listRunning(tenantId, { installId, since });
      if (running.length === 0) return;
      while (await executions.anyRunning(tenantId, running)) {
        if (performance.now() > until) return;
        await lookAgain();
      }
    }
  }

  /** What an operation has to know of the version that it is about. */
  async function versionOf(versionId: string): Promise<OpenOperationResult> {
    const found = await registry.findVersionById(versionId);
    if (!found) throw new PlatformError('INTERNAL', 'an install names a version that is not there');
    const { version, contentHash, manifest } = found;
    const { health } = manifest;
    return { versionId, version, contentHash, ...(health !== undefined && { health }), ...attempts() };
  }

  return {
    /** Takes the row for this operation, if its status is one of `from`. */
    async openOperation({
      tenantId,
      installId,
      kind,
      steps,
      from,
    }: OperationRef & { from: InstallStatus[] }): Promise<OpenOperationResult> {
      const operation = operationOf(kind);
      const { versionId } = await lifecycle.open(tenantId, installId, {
        operation,
        from,
        steps: done(steps),
      });
      return versionOf(versionId);
    },

    async warmInstall({ versionId, ...ref }: WarmInstallInput): Promise<Done> {
      if (ref.steps) await show({ ...ref, steps: ref.steps });
      else if (attempts().attempts > 1)
        await lifecycle.showAttempt(ref, 'warm', { runId: runId(), ...attempts() });
      const { tenantId, installId } = ref;
      return runners.warmVersion({ tenantId, installId, versionId });
    },

    /** Without a health endpoint there is nothing to ask. */
    async probeInstall({
      versionId,
      health,
      ...ref
    }: ShownInstall & { versionId: string; health?: string }): Promise<Done> {
      await show(ref);
      if (health === undefined) return attempts();
      const { tenantId, installId } = ref;
      return runners.probeVersion({ tenantId, installId, versionId, health });
    },

    /** The version serves from here on, or is paused as it was. */
    async enableInstall({
      tenantId,
      installId,
      steps,
      versionId,
      to = 'active',
    }: OperationRef & { versionId: string; to?: Served }): Promise<Done> {
      await lifecycle.enable(tenantId, installId, { runId: runId(), versionId, to, steps: done(steps) });
      return attempts();
    },

    async pauseInstall({ tenantId, installId, steps }: OperationRef): Promise<Done> {
      await lifecycle.turn(tenantId, installId, { from: 'active', to: 'paused', steps: done(steps) });
      return attempts();
    },

    async resumeInstall({ tenantId, installId, steps }: OperationRef): Promise<Done> {
      await lifecycle.turn(tenantId, installId, { from: 'paused', to: 'active', steps: done(steps) });
      return attempts();
    },

    /** Calls are refused from here on, and the row is no longer that of whatever ran. */
    async disableInstall({ tenantId, installId, kind, steps }: OperationRef): Promise<Done> {
      await lifecycle.stop(tenantId, installId, {
        operation: operationOf(kind),
        // Disabled already: then it is something else's to take the row from, such as being enabled.
        from: ['active', 'paused', 'disabled'],
        to: 'disabled',
        steps: done(steps),
      });
      return attempts();
    },

    /** The same for good: whatever the install was, it is being uninstalled. */
    async stopInstall({ tenantId, installId, kind, steps }: OperationRef): Promise<StopInstallResult> {
      const operation = operationOf(kind);
      const { pendingVersionId } = await lifecycle.stopForGood(tenantId, installId, {
        operation,
        steps: done(steps),
      });
      return { waits: pendingVersionId === undefined ? {} : { waitsFor: pendingVersionId }, ...attempts() };
    },

    /** Answers once what ran on the install, or waited for a person, has undone itself; nothing that runs is no error. */
    async cancelOperation({
      extensionId,
      waitsFor,
      ...ref
    }: OperationRef & { extensionId: string; waitsFor?: string }): Promise<Done> {
      await show(ref);
      const { tenantId, installId } = ref;
      await withHeartbeat(async (signal) => {
        // The wait first: a decision begins the operation anew.
        if (waitsFor !== undefined) {
          await deps.cancelWorkflow(consentWorkflowId(installId, waitsFor), signal);
          await deps.cancelWorkflow(settingsWorkflowId(installId, waitsFor), signal);
        }
        await deps.cancelWorkflow(installWorkflowId(tenantId, extensionId), signal);
      });
      // Of one whose workflow was terminated and undoes nothing.
      await deps.changes.undoLeft(tenantId, installId, runId());
      return attempts();
    },

    /** Waits for the calls that had begun before the install was stopped, and ends the operation unless it goes on. */
    async drainInstall({ goesOn = false, ...ref }: OperationRef & { goesOn?: boolean }): Promise<Done> {
      await show(ref);
      const { tenantId, installId, steps } = ref;
      await withHeartbeat((signal) => drained(tenantId, installId, signal));
      if (!goesOn) await lifecycle.end(tenantId, installId, { runId: runId(), steps: done(steps) });
      return attempts();
    },

    /** The install is uninstalled, and says when what it holds will be removed. */
    async uninstallInstall({
      tenantId,
      installId,
      steps,
      purgeNow,
    }: OperationRef & { purgeNow: boolean }): Promise<Done> {
      await lifecycle.uninstall(tenantId, installId, { runId: runId(), purgeNow, steps: done(steps) });
      return attempts();
    },

    /** Takes an uninstall back. What was held back is so again, and that is all; what served has to show that it still can. */
    async restoreInstall({ tenantId, installId, kind, steps }: OperationRef): Promise<RestoreInstallResult> {
      const operation = operationOf(kind);
      const restored = await lifecycle.restore(tenantId, installId, { operation, steps: done(steps) });
      const { versionId, to } = restored;
      if (to !== 'active' && to !== 'paused') {
        const taken = done(steps).filter(({ status }) => status !== 'pending');
        await lifecycle.end(tenantId, installId, { runId: runId(), steps: taken });
      }
      return { to, ...(await versionOf(versionId)) };
    },

    /** Ends an operation that failed. What is served stays; a row that is another operation's is not touched. */
    async endOperation({
      tenantId,
      installId,
      steps,
      error,
    }: OperationRef & { error: FailureReason }): Promise<void> {
      await lifecycle.end(tenantId, installId, { runId: runId(), steps, error });
    },
  };
}
