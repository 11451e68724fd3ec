import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createWorkflowStarter } from '../../api/workflow-starter.ts';
import { installWorkflowId, LIFECYCLE_TASK_QUEUE, PROBE_TASK_QUEUE } from '../../core/ids.ts';
import { createDataConverter } from '../../platform/temporal/data-converter.ts';
import { eventually } from '../support/eventually.ts';
import { fakeInstallActivities, installInput } from '../support/fake-install.ts';
import {
  bundleWorkflows,
  createTestNamespace,
  TEST_CODEC_KEY,
  type TestNamespace,
} from '../support/workflow-environment.ts';

const RUSH = 24;
let temporal: TestNamespace;
let connection: NativeConnection;
const workers: { worker: Worker; running: Promise<void> }[] = [];
const { activities } = fakeInstallActivities();

async function run(options: Partial<WorkerOptions> & Pick<WorkerOptions, 'taskQueue'>): Promise<void> {
  const worker = await Worker.create({
    connection,
    namespace: temporal.namespace,
    dataConverter: createDataConverter([TEST_CODEC_KEY]),
    shutdownGraceTime: 0,
    ...options,
  });
  workers.push({ worker, running: worker.run() });
}

beforeAll(async () => {
  const workflowBundle = await bundleWorkflows();
  temporal = await createTestNamespace();
  connection = await NativeConnection.connect({ address: temporal.address });
  await run({ taskQueue: LIFECYCLE_TASK_QUEUE, workflowBundle, activities });
});
afterAll(async () => {
  for (const { worker, running } of workers) {
    worker.shutdown();
    await running;
  }
  await connection.close();
  await temporal.close();
});

/** Warm-ups and probes of a rush of one tenant and of its neighbour's install, in the order in which one worker is given them. */
let order: { done: 'warm' | 'probe'; installId: string }[];
let neighbour: string;
beforeAll(async () => {
  const starter = createWorkflowStarter(temporal.client);
  const handles = new Map<string, WorkflowHandle>();
  const pendingOf = async (installId: string): Promise<unknown[] | undefined> => {
    const { pendingActivities } = (await handles.get(installId)?.describe())?.raw ?? {};
    return pendingActivities?.map((pending) => pending.activityType?.name);
  };
  /** Begins an install whose warm-up waits in the queue. */
  const install = async (tenantId: string): Promise<string> => {
    const input = installInput({ tenantId });
    await starter.startInstall(input);
    const handle = temporal.client.workflow.getHandle(installWorkflowId(tenantId, input.extensionId));
    handles.set(input.installId, handle);
    await eventually(async () => expect(await pendingOf(input.installId)).toEqual(['warmInstall']));
    return input.installId;
  };
  const busy = randomUUID();
  for (let n = 0; n < RUSH; n += 1) await install(busy);
  neighbour = await install(randomUUID());

  order = [];
  /** Each lasts until what was done before it has come to its next step, as it would if it took as long as a real one. */
  const noting =
    (done: 'warm' | 'probe') =>
    async ({ installId }: { installId: string }) => {
      const before = order.at(-1);
      order.push({ done, installId });
      if (before && before.installId !== installId) {
        await eventually(async () => {
          const pending = await pendingOf(before.installId);
          if (before.done === 'warm') expect(pending).toContain('probeInstall');
          else expect(pending).not.toContain('probeInstall');
        });
      }
      return { attempts: 1 };
    };
  await run({
    taskQueue: PROBE_TASK_QUEUE,
    maxConcurrentActivityTaskExecutions: 1,
    activities: { ...activities, warmInstall: noting('warm'), probeInstall: noting('probe') },
  });
  await eventually(() => expect(order).toHaveLength(2 * (RUSH + 1)));
});

// The worker asks for some tasks ahead, so all of it holds only roughly.

it("an install gets its turn to be warmed, however many of another tenant's wait", () => {
  const warmed = order.filter(({ done }) => done === 'warm').map(({ installId }) => installId);
  expect(warmed.indexOf(neighbour)).toBeLessThan(RUSH / 2); // in the order of arrival it would be last
});

it('what was warmed is probed before many others are warmed', () => {
  let [waiting, most] = [0, 0];
  for (const { done } of order) {
    waiting += done === 'warm' ? 1 : -1;
    most = Math.max(most, waiting);
  }
  expect(most).toBeLessThan(RUSH / 4);
});
