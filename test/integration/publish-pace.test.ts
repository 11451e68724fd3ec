import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import proto from '@temporalio/proto';
import { VERIFY_TASK_QUEUE } from '../../core/ids.ts';
import { ensurePublishPace } from '../../workers/publish-pace.ts';
import { eventually } from '../support/eventually.ts';
import { beginPublish, CONTENT_HASH, fakePublishActivities, publishInput } from '../support/fake-publish.ts';
import { createTestNamespace, startWorkers, type TestNamespace } from '../support/workflow-environment.ts';

/** A second, of one tenant. A machine that is busy takes seconds to begin a rush, which must not be over by then. */
const SLOW = 2;
/** Takes twenty seconds at that pace, and none without one. */
const RUSH = 40;
const QUEUE_TYPE = proto.temporal.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY;
let temporal: TestNamespace;
let opened = 0;
const uploadsVerified: string[] = [];
let workers: { stop(): Promise<void> };

beforeAll(async () => {
  temporal = await createTestNamespace();
  await ensurePublishPace(temporal.client);
  const { activities } = fakePublishActivities();
  workers = await startWorkers(temporal, {
    ...activities,
    openPublish: () => {
      opened += 1;
      return Promise.resolve({ contentHash: CONTENT_HASH });
    },
    verifyBundle: ({ uploadId }: { uploadId: string }) => {
      uploadsVerified.push(uploadId);
      return Promise.resolve({
        checks: [],
        fault: { code: 'BUNDLE_INVALID', message: 'not a bundle' },
        attempts: 1,
      });
    },
  });
});
afterAll(async () => {
  await workers.stop();
  await temporal.close();
});

async function publish(tenantId: string): Promise<string> {
  const input = publishInput({ tenantId });
  await beginPublish(temporal.client, input);
  return input.uploadId;
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
  it('stays what an operator has made it', async () => {
    expect(await pace()).toBe(4);
    await temporal.client.workflowService.updateTaskQueueConfig({
      namespace: temporal.namespace,
      taskQueue: VERIFY_TASK_QUEUE,
      taskQueueType: QUEUE_TYPE,
      updateFairnessKeyRateLimitDefault: { rateLimit: { requestsPerSecond: SLOW }, reason: 'a test' },
    });
    await ensurePublishPace(temporal.client);
    expect(await pace()).toBe(SLOW);
  });

  it("lets a neighbour's publish pass a rush that idle workers would have taken up at once", async () => {
    const tenantId = randomUUID();
    const rush: string[] = [];
    while (rush.length < RUSH) {
      rush.push(...(await Promise.all(Array.from({ length: 5 }, () => publish(tenantId)))));
    }
    // By then their verifications wait for nothing but the pace.
    await eventually(() => expect(opened).toBe(RUSH));
    const neighbour = await publish(randomUUID());
    await eventually(() => expect(uploadsVerified).toContain(neighbour));
    expect(uploadsVerified.indexOf(neighbour)).toBeLessThan(RUSH);
    await eventually(() => expect(uploadsVerified).toHaveLength(RUSH + 1));
    expect(uploadsVerified.toSorted()).toEqual([...rush, neighbour].toSorted());
  });
});
