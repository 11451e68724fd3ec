import { randomUUID } from 'node:crypto';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { HousekeepingActivities } from '../../activities/housekeeping.ts';
import type { SweepActivities } from '../../activities/sweeps.ts';
import { PlatformError } from '../../core/errors.ts';
import { LIFECYCLE_TASK_QUEUE } from '../../core/ids.ts';
import type { housekeeping } from '../../workflows/housekeeping.ts';
import type { HousekeepingInput } from '../../workflows/messages.ts';
import { scriptActivities } from '../support/activity-script.ts';
import { startWorkflowEnvironment, type WorkflowEnvironment } from '../support/workflow-environment.ts';

const PHASE = defineSearchAttributeKey('ExtPhase', SearchAttributeType.KEYWORD);
const fakes = scriptActivities<HousekeepingActivities & SweepActivities>({
  prepareExecutionPartitions: () => ({ made: ['extension_execution_log_20260101'] }),
  sweepInstalls: () => ({ count: 1 }),
  sweepPublishes: () => ({ count: 0 }),
  sweepUploads: () => ({ count: 2 }),
  sweepObjects: () => ({ count: 0 }),
  sweepDrafts: () => ({ count: 3 }),
  sweepVersions: () => ({ count: 4 }),
  sweepExecutions: () => ({ count: 125 }),
  sweepApiKeys: () => ({ count: 7 }),
});
let environment: WorkflowEnvironment;
beforeAll(async () => {
  environment = await startWorkflowEnvironment(fakes.activities);
});
afterAll(() => environment.stop());
beforeEach(() => fakes.reset());

async function run(...args: [] | [HousekeepingInput]) {
  const handle = await environment.client.workflow.start<typeof housekeeping>('housekeeping', {
    workflowId: `housekeeping-${randomUUID()}`,
    taskQueue: LIFECYCLE_TASK_QUEUE,
    args,
  });
  const result = await handle.result();
  const { typedSearchAttributes } = await handle.describe();
  return { ...result, phase: typedSearchAttributes.get(PHASE) };
}

describe('housekeeping', () => {
  it('runs every sweep and says how much each of them did, for people in plain text', async () => {
    expect(await run()).toEqual({
      executionPartitions: ['extension_execution_log_20260101'],
      dryRun: false,
      swept: {
        partitions: { count: 1 },
        installs: { count: 1 },
        versions: { count: 4 },
        publishes: { count: 0 },
        uploads: { count: 2 },
        objects: { count: 0 },
        drafts: { count: 3 },
        executions: { count: 125 },
        'api-keys': { count: 7 },
      },
      phase: 'done: partitions 1, installs 1, versions 4, uploads 2, drafts 3, executions 125, api-keys 7',
    });
    expect(fakes.inputOf('sweepInstalls')).toEqual({ dryRun: false });
  });

  it('passes a dry run on to every sweep, and makes no partition', async () => {
    expect(await run({ dryRun: true })).toMatchObject({
      swept: { partitions: { count: 0 }, executions: { count: 125 } },
      phase: 'dry run: installs 1, versions 4, uploads 2, drafts 3, executions 125, api-keys 7',
    });
    expect(fakes.names()).not.toContain('prepareExecutionPartitions');
    for (const { input } of fakes.calls) expect(input).toEqual({ dryRun: true });
  });

  it('does everything else when a part fails, and reports which and why', async () => {
    const away = new PlatformError('STATE_CONFLICT', 'cannot be done');
    fakes.script({
      prepareExecutionPartitions: () => Promise.reject(away),
      sweepUploads: () => Promise.reject(away),
    });
    expect(await run()).toMatchObject({
      executionPartitions: [],
      swept: {
        partitions: { error: { code: 'STATE_CONFLICT', message: 'cannot be done' } },
        installs: { count: 1 },
        uploads: { error: { code: 'STATE_CONFLICT' } },
        executions: { count: 125 },
      },
      phase:
        'incomplete: partitions failed, installs 1, versions 4, uploads failed, drafts 3, executions 125, api-keys 7',
    });
  });
});
