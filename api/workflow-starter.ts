import {
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  type Client,
  type WorkflowHandle,
  type WorkflowStartOptions,
} from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from '@temporalio/common';
import { PlatformError } from '../core/errors.ts';
import {
  consentWorkflowId,
  installWorkflowId,
  LIFECYCLE_TASK_QUEUE,
  precompileWorkflowId,
  publishWorkflowId,
} from '../core/ids.ts';
import type { InstallStatus, PublishStatus } from '../core/progress.ts';
import type { SearchAttributeName } from '../core/search-attributes.ts';
import { fromTemporalError } from '../platform/temporal/failures.ts';
import {
  consentUpdate,
  installOpenedUpdate,
  publishOpenedUpdate,
  type ConfigureInstallInput,
  type ConfigureInstallResult,
  type ConsentDecision,
  type InstallExtensionInput,
  type PrecompileInput,
  type PublishBundleInput,
} from '../workflows/messages.ts';

/** A worker opens a row in milliseconds: who waits longer than this waits for a worker that is away. */
const OPEN_DEADLINE_MS = 10_000;
const RESULT_DEADLINE_MS = 20_000;

/**
 * Starts lifecycle work and answers once its row is written. Errors: what opening failed with; OPERATION_RUNNING with what runs in
 * its details; TEMPORAL_UNAVAILABLE.
 */
export interface WorkflowStarter {
  /** Joins a running publish of the upload. Throws STATE_CONFLICT if it has ended: the row says how. */
  startPublish(input: PublishBundleInput): Promise<{ status: PublishStatus }>;
  /** Joins a running install with the same digest and answers that one's id. */
  startInstall(input: InstallExtensionInput): Promise<{ installId: string }>;
  /** Does not wait for its end; joins one that runs. It takes its turn among those of the same tenant. */
  startPrecompile(input: PrecompileInput, tenantId: string): Promise<{ workflowId: string }>;
  /** Waits until the settings are applied. */
  configureInstall(input: ConfigureInstallInput): Promise<ConfigureInstallResult>;
  /** Throws STATE_CONFLICT if the install does not wait for consent. */
  decideConsent(
    install: { tenantId: string; extensionId: string; installId: string; versionId: string },
    decision: ConsentDecision,
  ): Promise<{ status: InstallStatus }>;
}

/** The only code that knows the Temporal client. */
export function createWorkflowStarter(client: Client): WorkflowStarter {
  const installOperation = (
    workflow: string,
    input: InstallExtensionInput | ConfigureInstallInput,
    searchAttributes: TypedSearchAttributes,
  ): WithStartWorkflowOperation<() => Promise<unknown>> =>
    new WithStartWorkflowOperation(workflow, {
      workflowId: installWorkflowId(input.tenantId, input.extensionId),
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      args: [input],
      ...sharedOptions(searchAttributes),
    });

  async function open<T>(work: () => Promise<T>, deadlineMs = OPEN_DEADLINE_MS): Promise<T> {
    try {
      return await client.withDeadline(Date.now() + deadlineMs, work);
    } catch (err) {
      if (err instanceof WorkflowNotFoundError || err instanceof WorkflowExecutionAlreadyStartedError) {
        throw new PlatformError('STATE_CONFLICT', 'the operation has ended already', { cause: err });
      }
      throw fromTemporalError(err) ?? err;
    }
  }

  return {
    startPublish: (input) =>
      open(() =>
        client.workflow.executeUpdateWithStart(publishOpenedUpdate, {
          startWorkflowOperation: new WithStartWorkflowOperation('publishBundle', {
            workflowId: publishWorkflowId(input.uploadId),
            // One that failed to open or was terminated left a row that may be taken up again.
            workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
            args: [input],
            ...sharedOptions(searchable({ ExtTenantId: input.tenantId })),
          }),
        }),
      ),

    startInstall: (input) =>
      open(() =>
        client.workflow.executeUpdateWithStart(installOpenedUpdate, {
          args: [{ operation: 'install', digest: input.digest }],
          startWorkflowOperation: installOperation('installExtension', input, installAttributes(input)),
        }),
      ),

    async startPrecompile(input, tenantId) {
      const workflowId = precompileWorkflowId(input.contentHash, input.target);
      await open(() =>
        client.workflow.start('precompile', {
          workflowId,
          args: [input],
          priority: { fairnessKey: tenantId },
          ...sharedOptions(searchable({ ExtContentHash: input.contentHash })),
        }),
      );
      return { workflowId };
    },

    async configureInstall(input) {
      const startWorkflowOperation = installOperation('configureInstall', input, installAttributes(input));
      const handle: WorkflowHandle<() => Promise<unknown>> = await open(async () => {
        await client.workflow.executeUpdateWithStart(installOpenedUpdate, {
          args: [{ operation: 'configure', digest: input.digest }],
          startWorkflowOperation,
        });
        return startWorkflowOperation.workflowHandle();
      });
      return (await open(() => handle.result(), RESULT_DEADLINE_MS)) as ConfigureInstallResult;
    },

    async decideConsent({ tenantId, extensionId, installId, versionId }, decision) {
      const decide = (workflowId: string): Promise<{ status: InstallStatus }> =>
        client.workflow.getHandle(workflowId).executeUpdate(consentUpdate, { args: [decision] });
      return open(async () => {
        try {
          return await decide(consentWorkflowId(installId, versionId));
        } catch (err) {
          if (!(err instanceof WorkflowNotFoundError)) throw err;
          // Installs that began with release 0.1.0 wait within themselves.
          return decide(installWorkflowId(tenantId, extensionId));
        }
      });
    },
  };
}

function sharedOptions(typedSearchAttributes: TypedSearchAttributes): Pick<
  WorkflowStartOptions,
  'taskQueue' | 'typedSearchAttributes'
> & {
  workflowIdConflictPolicy: 'USE_EXISTING';
} {
  return {
    taskQueue: LIFECYCLE_TASK_QUEUE,
    workflowIdConflictPolicy: 'USE_EXISTING',
    typedSearchAttributes,
  };
}

function installAttributes(input: InstallExtensionInput | ConfigureInstallInput): TypedSearchAttributes {
  return searchable({
    ExtTenantId: input.tenantId,
    ExtExtensionId: input.extensionId,
    ...('versionId' in input && { ExtVersion: input.version, ExtContentHash: input.contentHash }),
  });
}

function searchable(values: Partial<Record<SearchAttributeName, string>>): TypedSearchAttributes {
  return new TypedSearchAttributes(
    Object.entries(values).map(([name, value]) => ({
      key: defineSearchAttributeKey(name, SearchAttributeType.KEYWORD),
      value,
    })),
  );
}
