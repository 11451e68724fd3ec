import { continueAsNew } from '@temporalio/workflow';
import type { TrustActivities } from '../activities/trust.ts';
import { activities } from './activities.ts';
import { changeTrust } from './change-trust.ts';
import type { TrustKeyInput, TrustProgress } from './messages.ts';
import { OWN_DATABASE } from './own-database.ts';

const { addTrustKey } = activities<TrustActivities>(OWN_DATABASE);

/** Believes a key from here on: versions that lacked it are released. The first key of a platform makes signatures required. */
export async function trustKey(input: TrustKeyInput): Promise<TrustProgress> {
  const { key, requestedBy, pass } = input;
  return changeTrust({
    phase: 'trust key',
    requestedBy,
    change: () => addTrustKey({ key, requestedBy }),
    pass,
    again: (at) => continueAsNew<typeof trustKey>({ ...input, pass: at }),
  });
}
