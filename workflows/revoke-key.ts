import { continueAsNew } from '@temporalio/workflow';
import type { TrustActivities } from '../activities/trust.ts';
import { activities } from './activities.ts';
import { changeTrust } from './change-trust.ts';
import type { TrustKeyInput, TrustProgress } from './messages.ts';
import { OWN_DATABASE } from './own-database.ts';

const { revokeTrustKey } = activities<TrustActivities>(OWN_DATABASE);

/** Believes nothing any more that a key ever signed: versions that lack it then are quarantined, with all of their installs. */
export async function revokeKey(input: TrustKeyInput): Promise<TrustProgress> {
  const { key, requestedBy, pass } = input;
  return changeTrust({
    phase: 'revoke key',
    requestedBy,
    first: [key.keyId],
    change: () => revokeTrustKey({ key, requestedBy }),
    pass,
    again: (at) => continueAsNew<typeof revokeKey>({ ...input, pass: at }),
  });
}
