import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import proto from '@temporalio/proto';
import { LIFECYCLE_TASK_QUEUE, publishWorkflowId, VERIFY_TASK_QUEUE } from '../../core/ids.ts';
import { ensurePublishPace } from '../../workers/publish-pace.ts';
import { eventually } from '../support/eventually.ts';
import { fakePublishActivities } from '../support/fake-publish.ts';
import { createTestNamespace, startWorkers, type TestNamespace } from '../support/workflow-environment.ts';

const RUSH = 16;
const QUEUE_TYPE = proto.temporal.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY;
let temporal: TestNamespace;
const uploadsVerified: string[] = [];
let workers: { stop(): Promise<void> };

beforeAll(async () => {
  temporal = await createTestNamespace();
  await ensurePublishPace(temporal.client);
  const { activities } = fakePublishActivities();
  workers = await startWorkers(temporal, {
    ...activities,
    verifyBundle: ({ uploadId }: { uploadId: string }) => {
      uploadsVerified.push(uploadId);
      return Promise.resolve({
        checks: [],
        fault: { code: 'BUNDLE_INVALID', message: 'not a bundle' },
        attempts: 1,
      });
    },
  });
}, 60_000);
afterAll(async () => {
  await workers.stop();
  await temporal.close();
});

async function publish(tenantId: string): Promise<string> {
  const uploadId = randomUUID();
  await temporal.client.workflow.start('publishBundle', {
    workflowId: publishWorkflowId(uploadId),
    taskQueue: LIFECYCLE_TASK_QUEUE,
    args: [{ tenantId, uploadId }],
    priority: { fairnessKey: tenantId },
  });
  return uploadId;
}

async function pace(): Promise<number | null | undefined> {
  const { config } = await temporal.client.workflowService.describeTaskQueue({
    namespace: temporal.namespace,
    taskQueue: { name: VERIFY_TASK_QUEUE },
    taskQueueType: QUEUE_TYPE,
    reportConfig: true,
  });
  return config?.fairnessKeysRateLimitDefault?.rateLimit?.requestsPerSecond;
}

describe('the pace of publishes', () => {
  it("lets a neighbour's publish pass a rush that idle workers would have taken up at once", async () => {
    const tenantId = randomUUID();
    const rush = await Promise.all(Array.from({ length: RUSH }, () => publish(tenantId)));
    await eventually(() => expect(uploadsVerified.length).toBeGreaterThan(0));
    const neighbour = await publish(randomUUID());
    await eventually(() => expect(uploadsVerified).toHaveLength(RUSH + 1));
    expect(uploadsVerified.toSorted()).toEqual([...rush, neighbour].toSorted());
    expect(uploadsVerified.indexOf(neighbour)).toBeLessThan(RUSH);
  }, 60_000);

  it('stays what an operator has made it', async () => {
    expect(await pace()).toBe(4);
    await temporal.client.workflowService.updateTaskQueueConfig({
      namespace: temporal.namespace,
      taskQueue: VERIFY_TASK_QUEUE,
      taskQueueType: QUEUE_TYPE,
      updateFairnessKeyRateLimitDefault: { rateLimit: { requestsPerSecond: 40 }, reason: 'a test' },
    });
    await ensurePublishPace(temporal.client);
    expect(await pace()).toBe(40);
  });
});
