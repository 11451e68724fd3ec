import { CancellationScope } from '@temporalio/workflow';
import type { VersionChangeActivities } from '../activities/version-changes.ts';
import type { OperationProgress, RollbackInstallInput } from './messages.ts';
import { activities } from './activities.ts';
import { OWN_DATABASE_UNDONE } from './own-database.ts';
import { runOperation } from './run-operation.ts';
import { describeWorkflow } from './search-attributes.ts';
import { switchOver } from './switch-over.ts';

const { openChange, closeChange } = activities<VersionChangeActivities>(OWN_DATABASE_UNDONE);

/** Goes back to a version that the install had before, with the config and grants of then; secrets stay as they are. */
export async function rollbackInstall(input: RollbackInstallInput): Promise<OperationProgress> {
  const { versionId, digest } = input;
  return runOperation('rollback', input, async (operation) => {
    operation.undo('open', closeChange);
    const { health } = await CancellationScope.nonCancellable(() =>
      operation.step('open', (shown) => openChange({ ...shown, kind: 'rollback', versionId, digest })),
    );
    operation.opened();
    describeWorkflow({ ExtVersion: input.version, ExtContentHash: input.contentHash });
    await switchOver(operation, { versionId, health });
  });
}
