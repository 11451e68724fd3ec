import type { Client } from '@temporalio/client';
import { LIFECYCLE_TASK_QUEUE } from '../../core/ids.ts';
import { ADOPT_TRUST_TITLE } from '../../core/titles.ts';
import type { TrustBundle } from '../../core/trust.ts';
import type { TrustStore } from '../db/trust.ts';
import { trustBundleDigest } from '../signatures/trust-bundle.ts';

const WORKFLOW_ID = 'adopt-trust-bundle';

/**
 * Has everything that is published held against this process's trust bundle, unless it was: asked whenever a worker starts, because
 * nobody else knows that an operator has changed it. Answers the workflow's id.
 */
export async function startAdopting(
  client: Client,
  trust: Pick<TrustStore, 'isAdopted'>,
  bundle: TrustBundle | undefined,
): Promise<string | undefined> {
  const digest = trustBundleDigest(bundle);
  if (await trust.isAdopted(digest)) return undefined;
  const workflowId = `${WORKFLOW_ID}:${digest ?? 'none'}`;
  await client.workflow.start('adoptTrustBundle', {
    workflowId,
    taskQueue: LIFECYCLE_TASK_QUEUE,
    workflowIdConflictPolicy: 'USE_EXISTING',
    args: [{ digest }],
    staticSummary: ADOPT_TRUST_TITLE,
  });
  return workflowId;
}
