import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Priority } from '@temporalio/common';
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import { LIFECYCLE_TASK_QUEUE, PRECOMPILE_TASK_QUEUE, precompileWorkflowId } from '../../core/ids.ts';
import { createDataConverter } from '../../platform/temporal/data-converter.ts';
import { eventually } from '../support/eventually.ts';
import { ARTIFACT } from '../support/fake-publish.ts';
import {
  bundleWorkflows,
  createTestNamespace,
  TEST_CODEC_KEY,
  type TestNamespace,
} from '../support/workflow-environment.ts';

// What the server does with priorities and fairness keys, seen at a queue that is longer than its worker is fast.

const BACKLOG = 24;
/** The worker asks for some tasks ahead, so the order holds only roughly; in the order of arrival the last would be last. */
const EARLY = BACKLOG / 2;
let temporal: TestNamespace;
let connection: NativeConnection;
let order: string[];
const workers: { worker: Worker; running: Promise<void> }[] = [];

beforeAll(async () => {
  const workflowBundle = await bundleWorkflows();
  temporal = await createTestNamespace();
  connection = await NativeConnection.connect({ address: temporal.address });
  await run({
    taskQueue: LIFECYCLE_TASK_QUEUE,
    workflowBundle,
    activities: { recordArtifact: () => Promise.resolve() },
  });
});
afterEach(async () => {
  const last = workers.pop();
  last?.worker.shutdown();
  await last?.running;
});
afterAll(async () => {
  for (const { worker, running } of workers) {
    worker.shutdown();
    await running;
  }
  await connection.close();
  await temporal.close();
});

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

/** Begins a precompile whose task waits in the queue. */
async function enqueue(priority: Priority): Promise<string> {
  const contentHash = `sha256:${randomUUID()}`;
  const workflowId = precompileWorkflowId(contentHash, ARTIFACT.target);
  const handle = await temporal.client.workflow.start('precompile', {
    workflowId,
    taskQueue: LIFECYCLE_TASK_QUEUE,
    args: [{ contentHash, target: ARTIFACT.target }],
    priority,
  });
  await eventually(async () => expect((await handle.describe()).raw.pendingActivities).toHaveLength(1));
  return contentHash;
}

/** Works off the queue, one task at a time. */
async function workOff(count: number): Promise<void> {
  order = [];
  await run({
    taskQueue: PRECOMPILE_TASK_QUEUE,
    maxConcurrentActivityTaskExecutions: 1,
    activities: {
      precompileBundle: ({ contentHash }: { contentHash: string }) => {
        order.push(contentHash);
        return Promise.resolve({ artifact: ARTIFACT, attempts: 1 });
      },
    },
  });
  await eventually(() => expect(order).toHaveLength(count));
}

describe('the queue of precompiles', () => {
  it('lets a publish pass whatever recompileAll has in it', async () => {
    const tenant = randomUUID();
    for (let n = 0; n < BACKLOG; n += 1) await enqueue({ priorityKey: 5, fairnessKey: tenant });
    const published = await enqueue({ fairnessKey: tenant });
    await workOff(BACKLOG + 1);
    expect(order.indexOf(published)).toBeLessThan(EARLY);
  });

  it('gives a tenant its turn, however much another one has in it', async () => {
    const tenant = randomUUID();
    for (let n = 0; n < BACKLOG; n += 1) await enqueue({ fairnessKey: tenant });
    const other = await enqueue({ fairnessKey: randomUUID() });
    await workOff(BACKLOG + 1);
    expect(order.indexOf(other)).toBeLessThan(EARLY);
  });
});
