import { randomUUID } from 'node:crypto';
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

it("an install gets its turn to be warmed, however many of another tenant's wait", async () => {
  const starter = createWorkflowStarter(temporal.client);
  /** Begins an install whose warm-up waits in the queue. */
  const install = async (tenantId: string): Promise<string> => {
    const input = installInput({ tenantId });
    await starter.startInstall(input);
    const handle = temporal.client.workflow.getHandle(installWorkflowId(tenantId, input.extensionId));
    await eventually(async () => {
      const { pendingActivities = [] } = (await handle.describe()).raw;
      expect(pendingActivities?.map((pending) => pending.activityType?.name)).toEqual(['warmInstall']);
    });
    return input.installId;
  };
  const busy = randomUUID();
  for (let n = 0; n < RUSH; n += 1) await install(busy);
  const neighbour = await install(randomUUID());

  const warmed: string[] = [];
  await run({
    taskQueue: PROBE_TASK_QUEUE,
    maxConcurrentActivityTaskExecutions: 1,
    activities: {
      ...activities,
      warmInstall: ({ installId }: { installId: string }) => {
        warmed.push(installId);
        return Promise.resolve({ attempts: 1 });
      },
    },
  });
  await eventually(() => expect(warmed).toHaveLength(RUSH + 1));
  // The worker asks for some tasks ahead, so the turns hold only roughly; in the order of arrival it would be last.
  expect(warmed.indexOf(neighbour)).toBeLessThan(RUSH / 2);
});
