import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  setHandler,
} from '@temporalio/workflow';
import type { TrustActivities } from '../activities/trust.ts';
import { activities } from './activities.ts';
import { trustChangedUpdate, type RevokeVersionInput } from './messages.ts';
import { createOpening } from './opening.ts';
import { OWN_DATABASE } from './own-database.ts';
import { describeWorkflow } from './search-attributes.ts';
import { tellAll } from './tell-all.ts';

const { revokeVersion: revoke } = activities<TrustActivities>(OWN_DATABASE);

/** Takes a version back for good: its calls are refused at once, and its installs show why. */
export async function revokeVersion(input: RevokeVersionInput): Promise<{ installs: number }> {
  const opening = createOpening();
  setHandler(trustChangedUpdate, () => opening.settled());
  describeWorkflow({ ExtPhase: 'revoke version', ExtRequestedBy: input.requestedBy });
  try {
    const { versionId, reason, told } = input;
    if (!told) await CancellationScope.nonCancellable(() => revoke({ versionId, reason }));
    opening.succeeded();
    const installs = await tellAll([versionId], told ?? { installs: 0 }, (now) =>
      continueAsNew<typeof revokeVersion>({ ...input, told: now }),
    );
    describeWorkflow({ ExtPhase: 'revoke version: done' });
    return { installs };
  } catch (err) {
    opening.failed(err);
    throw err;
  } finally {
    await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  }
}
