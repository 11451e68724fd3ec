import { allHandlersFinished, CancellationScope, condition, proxyActivities } from '@temporalio/workflow';
import type { InstallActivities } from '../activities/installs.ts';
import { failureReason } from './failure-reason.ts';
import { answerOpened } from './install-operation.ts';
import type { ConfigureInstallInput, ConfigureInstallResult } from './messages.ts';
import { createOpening } from './opening.ts';
import { OWN_DATABASE_UNDONE } from './own-database.ts';
import { describeWorkflow } from './search-attributes.ts';

const { applyDraft, discardDraft } = proxyActivities<InstallActivities>(OWN_DATABASE_UNDONE);

/** Replaces settings or secrets of an install by the draft's, in one transaction: there is nothing to undo. */
export async function configureInstall(input: ConfigureInstallInput): Promise<ConfigureInstallResult> {
  const ref = { tenantId: input.tenantId, installId: input.installId, draftId: input.draftId };
  const opening = createOpening();
  answerOpened('configure', input, opening);
  describeWorkflow({
    ExtTenantId: input.tenantId,
    ExtExtensionId: input.extensionId,
    ExtPhase: 'configuring',
  });
  try {
    const { configVersion, secretsVersion } = await applyDraft(ref);
    opening.succeeded();
    describeWorkflow({ ExtPhase: 'configured' });
    return { configVersion, secretsVersion };
  } catch (err) {
    const error = failureReason(err);
    await CancellationScope.nonCancellable(() => discardDraft({ ...ref, error }));
    opening.failed(err);
    describeWorkflow({ ExtPhase: 'failed' });
    throw err;
  } finally {
    await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  }
}
