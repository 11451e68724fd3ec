import {
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  type Client,
  type WorkflowHandle,
} from '@temporalio/client';
import { PlatformError } from '../core/errors.ts';
import {
  consentWorkflowId,
  operationWorkflowId,
  installWorkflowId,
  LIFECYCLE_TASK_QUEUE,
  precompileWorkflowId,
  publishWorkflowId,
  purgeWorkflowId,
  settingsWorkflowId,
} from '../core/ids.ts';
import type { InstallOperationKind, InstallStatus, LifecycleKind, PublishStatus } from '../core/progress.ts';
import { operationTitle, precompileTitle, publishTitle, purgeTitle } from '../core/titles.ts';
import { fromTemporalError } from '../platform/temporal/failures.ts';
import {
  consentUpdate,
  installOpenedUpdate,
  publishOpenedUpdate,
  purgeNowSignal,
  settingsUpdate,
  type ConfigureInstallInput,
  type ConfigureInstallResult,
  type ConsentDecision,
  type InstallExtensionInput,
  type InstallOpened,
  type NarrowGrantsInput,
  type OperateInstallInput,
  type PrecompileInput,
  type PublishBundleInput,
  type PurgeInstallInput,
  type RollbackInstallInput,
  type SettingsDecision,
  type UninstallInstallInput,
  type UpgradeInstallInput,
} from '../workflows/messages.ts';
import { installAttributes, searchable, sharedOptions } from './workflow-options.ts';

/** A server that is there answers this soon. */
const REACH_DEADLINE_MS = 3_000;
/** A worker opens a row in milliseconds: who waits longer than this waits for a worker that is away. */
const OPEN_DEADLINE_MS = 10_000;
const RESULT_DEADLINE_MS = 20_000;

/** gRPC status codes by which a server says that it did not take a call; any other may come after it did. */
const REFUSALS: ReadonlySet<number> = new Set([3, 5, 7, 8, 9, 12, 16]);

/**
 * Starts lifecycle work and answers once its row is written. Errors: what opening failed with; OPERATION_RUNNING with what runs in
 * its details; TEMPORAL_UNAVAILABLE if nothing was begun; TEMPORAL_OUTCOME_UNKNOWN if it may have been, or may yet be.
 */
export interface WorkflowStarter {
  /** Joins a running publish of the upload. Throws STATE_CONFLICT if it has ended: the row says how. */
  startPublish(input: PublishBundleInput): Promise<{ status: PublishStatus }>;
  /** Does not wait for its end; joins one that runs. It takes its turn among those of the same tenant. */
  startPrecompile(input: PrecompileInput, tenantId: string): Promise<{ workflowId: string }>;
  /** Joins a running install with the same digest and answers that one's id and draft. */
  startInstall(input: InstallExtensionInput): Promise<InstallOpened>;
  /** Waits until the settings are applied. */
  configureInstall(input: ConfigureInstallInput): Promise<ConfigureInstallResult>;
  /** Joins a running operation of the kind. */
  operateInstall(
    kind: LifecycleKind,
    input: OperateInstallInput | UninstallInstallInput,
  ): Promise<InstallOpened>;
  /** Answers once less is granted; joins a narrowing to the same. */
  narrowGrants(input: NarrowGrantsInput): Promise<void>;
  /** Ends the grace of an uninstalled install. */
  purgeNow(install: OperateInstallInput): Promise<void>;
  /** Puts another version in the place of the one that serves; joins a running upgrade with the same digest and answers its draft. */
  startUpgrade(input: UpgradeInstallInput): Promise<InstallOpened>;
  /** Goes back to a version that is kept; joins a running roll-back to the same. */
  startRollback(input: RollbackInstallInput): Promise<InstallOpened>;
  /** Ends the wait of a version for settings. Throws STATE_CONFLICT if it does not wait for them. */
  decideSettings(
    install: { installId: string; versionId: string },
    decision: SettingsDecision,
  ): Promise<{ status: InstallStatus }>;
  /** Throws STATE_CONFLICT if the install does not wait for consent. */
  decideConsent(
    install: { installId: string; versionId: string },
    decision: ConsentDecision,
  ): Promise<{ status: InstallStatus }>;
}

/** The only code that knows the Temporal client. */
export function createWorkflowStarter(
  client: Client,
  { openWithinMs = OPEN_DEADLINE_MS }: { openWithinMs?: number } = {},
): WorkflowStarter {
  const installOperation = (
    kind: InstallOperationKind,
    workflow: string,
    input: InstallExtensionInput | ConfigureInstallInput | OperateInstallInput,
    workflowId = installWorkflowId(input.tenantId, input.extensionId),
  ): WithStartWorkflowOperation<() => Promise<unknown>> =>
    new WithStartWorkflowOperation(workflow, {
      workflowId,
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      staticSummary: operationTitle(kind, input),
      args: [input],
      // Its activities and the workflows it begins have it too.
      priority: { fairnessKey: input.tenantId },
      ...sharedOptions(installAttributes(input)),
    });

  /** Starts an operation, or joins the same one, and answers once its row is written. */
  const open = (
    operation: InstallOperationKind,
    digest: string,
    startWorkflowOperation: WithStartWorkflowOperation<() => Promise<unknown>>,
  ): Promise<InstallOpened> =>
    client.workflow.executeUpdateWithStart(installOpenedUpdate, {
      args: [{ operation, digest }],
      startWorkflowOperation,
    });

  /** For what has not begun yet. Temporal is asked first, because of a start that fails nobody can tell whether it arrived. */
  async function begin<T>(work: () => Promise<T>): Promise<T> {
    await reach();
    return attempt(work, openWithinMs, isRefusal);
  }

  async function attempt<T>(
    work: () => Promise<T>,
    withinMs: number,
    provesNothingBegun: (err: unknown) => boolean,
  ): Promise<T> {
    try {
      return await client.withDeadline(Date.now() + withinMs, work);
    } catch (err) {
      if (err instanceof WorkflowNotFoundError || err instanceof WorkflowExecutionAlreadyStartedError) {
        throw new PlatformError('STATE_CONFLICT', 'the operation has ended already', { cause: err });
      }
      const error = fromTemporalError(err);
      if (error?.code === 'TEMPORAL_UNAVAILABLE' && !provesNothingBegun(err)) {
        throw new PlatformError('TEMPORAL_OUTCOME_UNKNOWN', 'Temporal may have taken the work', {
          cause: err,
        });
      }
      throw error ?? err;
    }
  }

  async function reach(): Promise<void> {
    try {
      await client.withDeadline(Date.now() + REACH_DEADLINE_MS, () =>
        client.connection.workflowService.getSystemInfo({}),
      );
    } catch (cause) {
      throw new PlatformError(
        'TEMPORAL_UNAVAILABLE',
        'Temporal did not answer; nothing was begun, try again',
        { cause },
      );
    }
  }

  async function endGrace(uninstall: string, install: OperateInstallInput): Promise<void> {
    try {
      await client.workflow.getHandle(uninstall).signal(purgeNowSignal);
    } catch (err) {
      if (!(err instanceof WorkflowNotFoundError)) throw err;
      await purgeNow(install);
    }
  }

  async function purgeNow(install: OperateInstallInput): Promise<void> {
    const { tenantId, installId } = install;
    const input: PurgeInstallInput = { tenantId, installId };
    await client.workflow.signalWithStart('purgeInstall', {
      workflowId: purgeWorkflowId(installId),
      taskQueue: LIFECYCLE_TASK_QUEUE,
      args: [input],
      signal: purgeNowSignal,
      staticSummary: purgeTitle(install),
      typedSearchAttributes: installAttributes(install),
      priority: { fairnessKey: input.tenantId },
    });
  }

  return {
    startPublish: (input) =>
      begin(() =>
        client.workflow.executeUpdateWithStart(publishOpenedUpdate, {
          startWorkflowOperation: new WithStartWorkflowOperation('publishBundle', {
            workflowId: publishWorkflowId(input.uploadId),
            // One that failed to open or was terminated left a row that may be taken up again.
            workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
            args: [input],
            // Of its activities too: tenants take turns at what few do at once.
            priority: { fairnessKey: input.tenantId },
            staticSummary: publishTitle(input),
            ...sharedOptions(searchable({ ExtTenantId: input.tenantId, ExtRequestedBy: input.requestedBy })),
          }),
        }),
      ),

    startInstall: (input) =>
      begin(() => open('install', input.digest, installOperation('install', 'installExtension', input))),
    startUpgrade: (input) =>
      begin(() => open('upgrade', input.digest, installOperation('upgrade', 'upgradeInstall', input))),
    startRollback: (input) =>
      begin(() => open('rollback', input.digest, installOperation('rollback', 'rollbackInstall', input))),

    async startPrecompile(input, tenantId) {
      const workflowId = precompileWorkflowId(input.contentHash, input.target);
      await begin(() =>
        client.workflow.start('precompile', {
          workflowId,
          args: [input],
          priority: { fairnessKey: tenantId },
          staticSummary: precompileTitle(input),
          ...sharedOptions(searchable({ ExtContentHash: input.contentHash })),
        }),
      );
      return { workflowId };
    },

    async configureInstall(input) {
      const startWorkflowOperation = installOperation('configure', 'configureInstall', input);
      const handle: WorkflowHandle<() => Promise<unknown>> = await begin(async () => {
        await open('configure', input.digest, startWorkflowOperation);
        return startWorkflowOperation.workflowHandle();
      });
      const result = attempt(
        () => handle.result(),
        RESULT_DEADLINE_MS,
        () => false,
      );
      return (await result) as ConfigureInstallResult;
    },

    async operateInstall(kind, input) {
      const workflowId = operationWorkflowId(kind, input);
      const startWorkflowOperation = installOperation(kind, `${kind}Install`, input, workflowId);
      return begin(async () => {
        const opened = await open(kind, kind, startWorkflowOperation);
        // One that was joined may have begun with a grace.
        if ('purgeNow' in input && input.purgeNow) await endGrace(workflowId, input);
        return opened;
      });
    },

    async narrowGrants(input) {
      await begin(() => open('narrow', input.digest, installOperation('narrow', 'narrowGrants', input)));
    },

    purgeNow: (install) => begin(() => purgeNow(install)),

    decideSettings: ({ installId, versionId }, decision) =>
      begin(() =>
        client.workflow
          .getHandle(settingsWorkflowId(installId, versionId))
          .executeUpdate(settingsUpdate, { args: [decision] }),
      ),

    decideConsent: ({ installId, versionId }, decision) =>
      begin(() =>
        client.workflow
          .getHandle(consentWorkflowId(installId, versionId))
          .executeUpdate(consentUpdate, { args: [decision] }),
      ),
  };
}

function isRefusal(err: unknown): boolean {
  const { cause } = err as { cause?: { code?: unknown } };
  return typeof cause?.code === 'number' && REFUSALS.has(cause.code);
}
