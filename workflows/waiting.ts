import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { ParentClosePolicy, sleep, startChild } from '@temporalio/workflow';
import type { InstallActivities } from '../activities/installs.ts';
import type { VersionChangeActivities } from '../activities/version-changes.ts';
import { consentWorkflowId, installWorkflowId, settingsWorkflowId } from '../core/ids.ts';
import type { InstallStepName, OperationStepName, Step } from '../core/progress.ts';
import { consentTitle, operationTitle, settingsTitle } from '../core/titles.ts';
import { activities } from './activities.ts';
import type {
  AwaitConsent,
  AwaitConsentInput,
  AwaitSettings,
  AwaitSettingsInput,
  InstallExtension,
  InstallExtensionInput,
} from './messages.ts';
import { OWN_DATABASE_UNDONE } from './own-database.ts';
import { installAttributes, searchable } from './search-attributes.ts';

const { discardDraft, endInstall } = activities<InstallActivities>(OWN_DATABASE_UNDONE);
const { withdrawUpgrade } = activities<VersionChangeActivities>(OWN_DATABASE_UNDONE);

/** A person has this long; then it counts as declined. The draft is held a day longer (platform/db/install-drafts.ts). */
export const DECIDE_WITHIN_MS = 7 * 24 * 60 * 60 * 1_000;
/** Between two looks whether another operation still holds the install. */
const FIRST_TRY_MS = 100;
const LONGEST_BREAK_MS = 10_000;
/** A wait that is only ending is gone by the last look. */
const LAST_LOOK_MS = 1_600;

type Operation = AwaitSettingsInput['operation'];

/** Leaves a decision on what a version may do to a workflow of its own, which starts the operation again. */
export async function beginConsentWait(input: AwaitConsentInput): Promise<void> {
  const { installId, versionId } = input.install;
  await unlessThere((options) =>
    startChild<AwaitConsent>('awaitConsent', {
      ...options,
      workflowId: consentWorkflowId(installId, versionId),
      args: [input],
      staticSummary: consentTitle(input.requested),
      typedSearchAttributes: searchable(installAttributes(input.install)),
    }),
  );
}

/** The same of settings that a version needs. */
export async function beginSettingsWait(input: AwaitSettingsInput): Promise<void> {
  const { installId, versionId } = input.install;
  await unlessThere((options) =>
    startChild<AwaitSettings>('awaitSettings', {
      ...options,
      workflowId: settingsWorkflowId(installId, versionId),
      args: [input],
      staticSummary: settingsTitle(input.needed),
      typedSearchAttributes: searchable(installAttributes(input.install)),
    }),
  );
}

/** A wait is there already when this is a repeat of the operation that left it, begun before the row showed that it waits. */
async function unlessThere(
  begin: (options: { parentClosePolicy: 'ABANDON' }) => Promise<unknown>,
): Promise<void> {
  for (let breakMs = FIRST_TRY_MS; ; breakMs *= 2) {
    try {
      await begin({ parentClosePolicy: ParentClosePolicy.ABANDON });
      return;
    } catch (err) {
      if (!(err instanceof WorkflowExecutionAlreadyStartedError)) throw err;
      if (breakMs > LAST_LOOK_MS) return;
      await sleep(breakMs, { summary: 'Look again whether an earlier wait is ending' });
    }
  }
}

/** Begins the operation anew that waited, as soon as nothing else holds the install. */
export async function goOn(operation: Operation, input: InstallExtensionInput): Promise<void> {
  const workflow = operation === 'install' ? 'installExtension' : 'upgradeInstall';
  for (let breakMs = FIRST_TRY_MS; ; breakMs = Math.min(breakMs * 2, LONGEST_BREAK_MS)) {
    try {
      await startChild<InstallExtension>(workflow, {
        workflowId: installWorkflowId(input.tenantId, input.extensionId),
        args: [input],
        parentClosePolicy: ParentClosePolicy.ABANDON,
        staticSummary: operationTitle(operation, input),
        typedSearchAttributes: searchable(installAttributes(input)),
      });
      return;
    } catch (err) {
      if (!(err instanceof WorkflowExecutionAlreadyStartedError)) throw err;
      await sleep(breakMs, { summary: 'Another operation holds the install: its turn comes' });
    }
  }
}

/** Ends what waited: an install ends as declined, of an upgrade the version that serves is not touched. */
export async function declineWaiting(
  operation: Operation,
  { tenantId, installId, versionId, digest, draftId }: InstallExtensionInput,
  steps: readonly Step<InstallStepName | OperationStepName>[],
): Promise<void> {
  const ref = { tenantId, installId };
  const endedAt = new Date().toISOString();
  const shown = steps.map((step) =>
    step.status === 'running' ? { ...step, status: 'done' as const, endedAt } : step,
  );
  if (operation === 'upgrade') {
    await withdrawUpgrade({ ...ref, versionId, digest, draftId, steps: shown });
    return;
  }
  await endInstall({ ...ref, status: 'declined', steps: shown as Step<InstallStepName>[] });
  await discardDraft({ ...ref, draftId });
}
