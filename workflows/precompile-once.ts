import { WorkflowExecutionAlreadyStartedError, type Priority } from '@temporalio/common';
import { ChildWorkflowCancellationType, executeChild, ParentClosePolicy, sleep } from '@temporalio/workflow';
import { precompileWorkflowId } from '../core/ids.ts';
import { precompileTitle } from '../core/titles.ts';
import type { PrecompileInput, PrecompileResult } from './messages.ts';
import { precompile } from './precompile.ts';

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;

/**
 * Has the artifact made under its own id. While somebody else's run has that id this waits for its end and then finds what it left, so
 * the work is done once. Others may wait for it in turn: it goes on when this workflow is cancelled or ends.
 */
export async function precompileOnce(input: PrecompileInput, priority: Priority): Promise<PrecompileResult> {
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    try {
      return await executeChild(precompile, {
        workflowId: precompileWorkflowId(input.contentHash, input.target),
        args: [input],
        priority,
        staticSummary: precompileTitle(input),
        parentClosePolicy: ParentClosePolicy.ABANDON,
        cancellationType: ChildWorkflowCancellationType.ABANDON,
      });
    } catch (err) {
      if (!(err instanceof WorkflowExecutionAlreadyStartedError)) throw err;
      await sleep(wait, { summary: 'Another workflow has the same artifact made: wait for it' });
    }
  }
}
