import { continueAsNew } from '@temporalio/workflow';
import type { TrustActivities } from '../activities/trust.ts';
import { activities } from './activities.ts';
import { changeTrust } from './change-trust.ts';
import type { AdoptTrustBundleInput, TrustProgress } from './messages.ts';
import { OWN_DATABASE } from './own-database.ts';

const { adoptTrustBundle: adopt } = activities<TrustActivities>(OWN_DATABASE);

/** Holds what is published against another SIGNING_TRUST_BUNDLE than before, which workers start with. */
export async function adoptTrustBundle(input: AdoptTrustBundleInput): Promise<TrustProgress> {
  const { digest, pass } = input;
  return changeTrust({
    phase: 'adopt trust bundle',
    change: () => adopt({ digest }),
    pass,
    again: (at) => continueAsNew<typeof adoptTrustBundle>({ digest, pass: at }),
  });
}
