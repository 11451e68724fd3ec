import type { ArtifactActivities } from '../activities/artifacts.ts';
import type { PrecompileActivities } from '../activities/precompile.ts';
import { PRECOMPILE_TASK_QUEUE } from '../core/ids.ts';
import { activities } from './activities.ts';
import type { PrecompileInput, PrecompileResult } from './messages.ts';
import { OWN_DATABASE } from './own-database.ts';
import { describeWorkflow } from './search-attributes.ts';

const { precompileBundle } = activities<PrecompileActivities>({
  taskQueue: PRECOMPILE_TASK_QUEUE,
  startToCloseTimeout: '30 minutes', // two tries at a large component on a slow machine; each has a tighter limit of its own
  scheduleToCloseTimeout: '2 hours', // waits in the queue behind a rush of publishes, and for a worker to come back
  heartbeatTimeout: '8 seconds', // a killed worker is noticed this soon
  retry: { maximumInterval: '1 minute' }, // a component that the tool crashes on must not keep the workers busy
});

const { recordArtifact } = activities<ArtifactActivities>(OWN_DATABASE);

/**
 * Makes, counter-signs and stores a bundle's artifact for a target, and writes it down in the registry. Whoever wants the same one
 * finds this run under its id. Fails with COMPONENT_INVALID or WORLD_MISMATCH if the component is at fault.
 */
export async function precompile({ contentHash, target }: PrecompileInput): Promise<PrecompileResult> {
  describeWorkflow({ ExtContentHash: contentHash });
  const made = await precompileBundle({ contentHash, target });
  await recordArtifact({ contentHash, artifact: made.artifact });
  return made;
}
