import { allHandlersFinished, CancellationScope, condition, setCurrentDetails } from '@temporalio/workflow';
import type { InstallActivities } from '../activities/installs.ts';
import { adviceFor } from '../core/advice.ts';
import { activities } from './activities.ts';
import { failureReason } from './failure-reason.ts';
import { answerOpened } from './install-operation.ts';
import type { ConfigureInstallInput, ConfigureInstallResult } from './messages.ts';
import { createOpening } from './opening.ts';
import { OWN_DATABASE_UNDONE } from './own-database.ts';
import { describeWorkflow, installAttributes } from './search-attributes.ts';

const { applyDraft, discardDraft } = activities<InstallActivities>(OWN_DATABASE_UNDONE);

/** Replaces settings or secrets of an install by the draft's, in one transaction: there is nothing to undo. */
export async function configureInstall(input: ConfigureInstallInput): Promise<ConfigureInstallResult> {
  const ref = { tenantId: input.tenantId, installId: input.installId, draftId: input.draftId };
  const opening = createOpening();
  answerOpened('configure', input, opening);
  describeWorkflow({ ...installAttributes(input), ExtPhase: 'configuring' });
  try {
    const { configVersion, secretsVersion } = await applyDraft(ref);
    opening.succeeded();
    describeWorkflow({ ExtPhase: 'configured' });
    setCurrentDetails(`**Done:** config is at ${configVersion}, secrets are at ${secretsVersion}.`);
    return { configVersion, secretsVersion };
  } catch (err) {
    const error = failureReason(err);
    await CancellationScope.nonCancellable(() => discardDraft({ ...ref, error }));
    opening.failed(err);
    describeWorkflow({ ExtPhase: 'failed' });
    const { code, message } = error;
    setCurrentDetails(
      `**Failed:** ${message} (${code}). Nothing was changed. What to do: ${adviceFor(code)}.`,
    );
    throw err;
  } finally {
    await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  }
}
