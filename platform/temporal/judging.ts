import type { Client } from '@temporalio/client';
import { LIFECYCLE_TASK_QUEUE } from '../../core/ids.ts';
import { JUDGE_PUBLISHED_TITLE } from '../../core/titles.ts';

const UNDER_WAY = `WorkflowType in ('trustKey', 'revokeKey', 'adoptTrustBundle', 'judgePublished') and ExecutionStatus = 'Running'`;

/** Passes that hold everything that is published against what is trusted. */
export interface Judging {
  /** Whether one is running, as far as Temporal's visibility has heard of it, which may be seconds behind. */
  isUnderWay(): Promise<boolean>;
  /** Begins one, or joins the one that was begun here before. */
  begin(): Promise<void>;
}

export function createJudging({ workflow }: Client): Judging {
  return {
    async isUnderWay() {
      const { count } = await workflow.count(UNDER_WAY);
      return count > 0;
    },

    async begin() {
      await workflow.start('judgePublished', {
        workflowId: 'judge-published',
        taskQueue: LIFECYCLE_TASK_QUEUE,
        workflowIdConflictPolicy: 'USE_EXISTING',
        args: [{}],
        staticSummary: JUDGE_PUBLISHED_TITLE,
      });
    },
  };
}
