import { continueAsNew } from '@temporalio/workflow';
import { changeTrust } from './change-trust.ts';
import type { JudgePublishedInput, TrustProgress } from './messages.ts';

/** Holds against what is trusted whatever is not held against it yet: housekeeping begins it where the workflow that had to was cancelled or lost. */
export async function judgePublished({ pass }: JudgePublishedInput): Promise<TrustProgress> {
  return changeTrust({
    phase: 'judge what is published',
    pass,
    again: (at) => continueAsNew<typeof judgePublished>({ pass: at }),
  });
}
