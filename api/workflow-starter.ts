import {
  WithStartWorkflowOperation,
  WorkflowNotFoundError,
  type Client,
  type WorkflowHandle,
  type WorkflowStartOptions,
} from '@temporalio/client';
import {
  consentWorkflowId,
  operationWorkflowId,
  installWorkflowId,
  LIFECYCLE_TASK_QUEUE,
  precompileWorkflowId,
  publishWorkflowId,
  purgeWorkflowId,
  settingsWorkflowId,
  trustWorkflowId,
} from '../core/ids.ts';
import type { InstallOperationKind, InstallStatus, LifecycleKind, PublishStatus } from '../core/progress.ts';
import { operationTitle, precompileTitle, publishTitle, purgeTitle } from '../core/titles.ts';
import {
  consentUpdate,
  installOpenedUpdate,
  finalizeUploadUpdate,
  abortUploadUpdate,
  purgeNowSignal,
  settingsUpdate,
  trustChangedUpdate,
  type ConfigureInstallInput,
  type ConfigureInstallResult,
  type ConsentDecision,
  type FinalizeUpload,
  type InstallExtensionInput,
  type InstallOpened,
  type NarrowGrantsInput,
  type OperateInstallInput,
  type PrecompileInput,
  type PublishBundleInput,
  type PurgeInstallInput,
  type RevokeVersionInput,
  type RollbackInstallInput,
  type SettingsDecision,
  type SignVersionInput,
  type TransferPublisherInput,
  type TrustKeyInput,
  type UninstallInstallInput,
  type UpgradeInstallInput,
} from '../workflows/messages.ts';
import { createBeginning } from './temporal/beginning.ts';
import { installAttributes, searchable, sharedOptions } from './workflow-options.ts';

/** A worker opens a row in milliseconds: who waits longer than this waits for a worker that is away. */
const OPEN_DEADLINE_MS = 10_000;
const RESULT_DEADLINE_MS = 20_000;

/**
 * Starts lifecycle work and answers once its row is written. Errors: what opening failed with; OPERATION_RUNNING with what runs in
 * its details; TEMPORAL_UNAVAILABLE if nothing was begun; TEMPORAL_OUTCOME_UNKNOWN if it may have been, or may yet be.
 */
export interface WorkflowStarter {
  /** Begins the publish of an upload, which waits for it to be finalized. */
  beginPublish(input: PublishBundleInput): Promise<void>;
  /**
   * Takes the upload into its publish, or joins it; begins one that was lost. Throws UPLOAD_INCOMPLETE, UPLOAD_MISMATCH or UPLOAD_CLOSED,
   * and STATE_CONFLICT if the publish has ended: the row says how.
   */
  finalizePublish(input: PublishBundleInput, finalize: FinalizeUpload): Promise<{ status: PublishStatus }>;
  /** Throws UPLOAD_CLOSED if the upload was finalized, and STATE_CONFLICT if the publish has ended. */
  abortPublish(input: PublishBundleInput): Promise<void>;
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
  /**
   * Answers once it binds whoever judges from here on; what follows from it goes on. A signature's version is judged by then. Joins the
   * same one; throws STATE_CONFLICT if the publisher is being given to another.
   */
  changeTrust(change: TrustChange): Promise<{ workflowId: string }>;
  /** Throws STATE_CONFLICT if the install does not wait for consent. */
  decideConsent(
    install: { installId: string; versionId: string },
    decision: ConsentDecision,
  ): Promise<{ status: InstallStatus }>;
}

/** A workflow that changes what or who is trusted; `id` is of the key, the version or the version's envelope, or the publisher's slug. */
export type TrustChange =
  | { kind: 'trust-key' | 'revoke-key'; id: string; input: TrustKeyInput }
  | { kind: 'revoke-version'; id: string; input: RevokeVersionInput }
  | { kind: 'sign-version'; id: string; input: SignVersionInput }
  | { kind: 'transfer-publisher'; id: string; input: TransferPublisherInput };

const TRUST_WORKFLOWS = {
  'trust-key': 'trustKey',
  'revoke-key': 'revokeKey',
  'revoke-version': 'revokeVersion',
  'sign-version': 'signVersion',
  'transfer-publisher': 'transferPublisher',
} as const satisfies Record<TrustChange['kind'], string>;

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

  const publish = (
    input: PublishBundleInput,
  ): {
    workflow: string;
    options: WorkflowStartOptions & { workflowIdConflictPolicy: 'USE_EXISTING' };
  } => ({
    workflow: 'publishBundle',
    options: {
      workflowId: publishWorkflowId(input.uploadId),
      // One that was terminated left a row that may be taken up again.
      workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
      args: [input],
      // Of its activities too: tenants take turns at what few do at once.
      priority: { fairnessKey: input.tenantId },
      staticSummary: publishTitle(input),
      ...sharedOptions(searchable({ ExtTenantId: input.tenantId, ExtRequestedBy: input.requestedBy })),
    },
  });
  const joinPublish = (input: PublishBundleInput): WithStartWorkflowOperation<() => Promise<unknown>> => {
    const { workflow, options } = publish(input);
    return new WithStartWorkflowOperation(workflow, options);
  };

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

  const { begin, attempt } = createBeginning(client, openWithinMs);

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
    beginPublish: (input) =>
      begin(async () => {
        const { workflow, options } = publish(input);
        await client.workflow.start(workflow, options);
      }),

    finalizePublish: (input, finalize) =>
      begin(() =>
        client.workflow.executeUpdateWithStart(finalizeUploadUpdate, {
          args: [finalize],
          startWorkflowOperation: joinPublish(input),
        }),
      ),

    async abortPublish(input) {
      await begin(() =>
        client.workflow.executeUpdateWithStart(abortUploadUpdate, {
          startWorkflowOperation: joinPublish(input),
        }),
      );
    },

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
      return (await attempt(() => handle.result(), RESULT_DEADLINE_MS)) as ConfigureInstallResult;
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

    async changeTrust(change) {
      const { kind, id, input } = change;
      const workflowId = trustWorkflowId(kind, id);
      await begin(() =>
        client.workflow.executeUpdateWithStart(trustChangedUpdate, {
          args: [input],
          startWorkflowOperation: new WithStartWorkflowOperation(TRUST_WORKFLOWS[kind], {
            workflowId,
            workflowIdReusePolicy: 'ALLOW_DUPLICATE',
            args: [input],
            // Of operators there are few; publishers take turns.
            ...(change.kind === 'sign-version' && { priority: { fairnessKey: change.input.tenantId } }),
            ...sharedOptions(searchable({ ExtRequestedBy: input.requestedBy })),
          }),
        }),
      );
      return { workflowId };
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
