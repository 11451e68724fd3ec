import { randomUUID } from 'node:crypto';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { HousekeepingActivities } from '../../activities/housekeeping.ts';
import type { SweepActivities } from '../../activities/sweeps.ts';
import { PlatformError } from '../../core/errors.ts';
import { LIFECYCLE_TASK_QUEUE } from '../../core/ids.ts';
import type { housekeeping } from '../../workflows/housekeeping.ts';
import type { HousekeepingInput } from '../../workflows/messages.ts';
import { scriptActivities } from '../support/activity-script.ts';
import { cancelAt } from '../support/cancel-at.ts';
import { watchActivities } from '../support/watched-activities.ts';
import { startWorkflowEnvironment, type WorkflowEnvironment } from '../support/workflow-environment.ts';

const PHASE = defineSearchAttributeKey('ExtPhase', SearchAttributeType.KEYWORD);
const fakes = scriptActivities<HousekeepingActivities & SweepActivities>({
  prepareExecutionPartitions: () => ({ made: ['extension_execution_log_20260101'], dropped: [] }),
  sweepTrust: () => ({ count: 0 }),
  sweepInstalls: () => ({ count: 1 }),
  sweepPublishes: () => ({ count: 0 }),
  sweepUploads: () => ({ count: 2 }),
  sweepObjects: () => ({ count: 0 }),
  sweepDrafts: () => ({ count: 3 }),
  sweepVersions: () => ({ count: 4 }),
  sweepExecutions: () => ({ count: 125 }),
  sweepApiKeys: () => ({ count: 7 }),
  sweepRecords: () => ({ count: 9 }),
});
const PARTS = [
  ...['prepareExecutionPartitions', 'sweepTrust'],
  ...['sweepInstalls', 'sweepVersions', 'sweepPublishes', 'sweepUploads', 'sweepObjects', 'sweepDrafts'],
  ...['sweepExecutions', 'sweepApiKeys', 'sweepRecords'],
];
const { watched, activities } = watchActivities(fakes.activities);
let environment: WorkflowEnvironment;
beforeAll(async () => {
  environment = await startWorkflowEnvironment(activities);
});
afterAll(() => environment.stop());
beforeEach(() => {
  fakes.reset();
  watched.reset();
});

function start(workflowId: string, args: [] | [HousekeepingInput] = []) {
  return environment.client.workflow.start<typeof housekeeping>('housekeeping', {
    workflowId,
    taskQueue: LIFECYCLE_TASK_QUEUE,
    args,
  });
}

async function run(...args: [] | [HousekeepingInput]) {
  const handle = await start(`housekeeping-${randomUUID()}`, args);
  const result = await handle.result();
  return { ...result, phase: await phaseOf(handle) };
}

async function phaseOf(handle: WorkflowHandle): Promise<string | undefined> {
  return (await handle.describe()).typedSearchAttributes.get(PHASE);
}

describe('housekeeping', () => {
  it('runs every sweep and says how much each of them did, for people in plain text', async () => {
    expect(await run()).toEqual({
      executionPartitions: ['extension_execution_log_20260101'],
      dryRun: false,
      swept: {
        partitions: { count: 1 },
        trust: { count: 0 },
        installs: { count: 1 },
        versions: { count: 4 },
        publishes: { count: 0 },
        uploads: { count: 2 },
        objects: { count: 0 },
        drafts: { count: 3 },
        executions: { count: 125 },
        'api-keys': { count: 7 },
        records: { count: 9 },
      },
      phase:
        'done: partitions 1, installs 1, versions 4, uploads 2, drafts 3, executions 125, api-keys 7, records 9',
    });
    expect(fakes.inputOf('sweepInstalls')).toEqual({ dryRun: false });
  });

  it('passes a dry run on to every sweep, and makes no partition', async () => {
    expect(await run({ dryRun: true })).toMatchObject({
      swept: { partitions: { count: 0 }, executions: { count: 125 } },
      phase: 'dry run: installs 1, versions 4, uploads 2, drafts 3, executions 125, api-keys 7, records 9',
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
        'incomplete: partitions failed, installs 1, versions 4, uploads failed, drafts 3, executions 125, api-keys 7, records 9',
    });
  });

  it('goes through every part when each has worked and its answer was lost, and counts what was left to the next attempt', async () => {
    for (const part of PARTS) watched.lost.add(part);
    const left = new Map(PARTS.map((part) => [part, 2]));
    const sweep = (part: string) => () => {
      const count = left.get(part) ?? 0;
      left.set(part, 0);
      return { count };
    };
    fakes.script(Object.fromEntries(PARTS.slice(1).map((part) => [part, sweep(part)])));
    expect(await run()).toMatchObject({
      swept: { installs: { count: 0 }, 'api-keys': { count: 0 } },
      phase: 'done: partitions 1',
    });
    expect(watched.calls).toEqual(PARTS.flatMap((part) => [part, part]));
  });

  it.each(PARTS)(
    'that is cancelled at %s begins nothing more, and does not say that it is done',
    async (part) => {
      const workflowId = `housekeeping-${randomUUID()}`;
      const handle = environment.client.workflow.getHandle(workflowId);
      const on = Object.assign(watched, { client: environment.client });
      await cancelAt(
        on,
        part,
        () => handle,
        () => start(workflowId),
      );
      expect((await handle.describe()).status.name).toBe('CANCELLED');
      expect(watched.calls).toEqual(PARTS.slice(0, PARTS.indexOf(part) + 1));
      expect(await phaseOf(handle)).toBeUndefined();
    },
  );
});
