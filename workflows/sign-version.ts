import { continueAsNew } from '@temporalio/workflow';
import type { SignatureActivities } from '../activities/signatures.ts';
import { activities } from './activities.ts';
import { changeTrust } from './change-trust.ts';
import type { SignVersionInput, TrustProgress } from './messages.ts';

const { addSignature } = activities<SignatureActivities>({
  startToCloseTimeout: '1 minute', // a manifest and an envelope of a slow store
  retry: { maximumInterval: '10 seconds' },
});

/** Puts another signature beside the bundle of a version: a quarantine that it answers ends. Callers are answered once that is judged. */
export async function signVersion(input: SignVersionInput): Promise<TrustProgress> {
  const { tenantId, versionId, contentHash, envelope, requestedBy, pass } = input;
  return changeTrust({
    phase: 'sign version',
    requestedBy,
    contentHash,
    change: () => addSignature({ tenantId, versionId, contentHash, envelope }),
    pass,
    again: (at) => continueAsNew<typeof signVersion>({ ...input, pass: at }),
  });
}
