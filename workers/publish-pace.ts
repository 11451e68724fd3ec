import { isGrpcServiceError, type Client } from '@temporalio/client';
import proto from '@temporalio/proto';
import { VERIFY_TASK_QUEUE } from '../core/ids.ts';

/** Verifications and promotions of one tenant in a second; a publish is one of each. What comes on top waits in the queue. */
const OF_A_TENANT_PER_SECOND = 4;
const GRPC_UNIMPLEMENTED = 12;

/**
 * Sets how fast the publishes of one tenant go on, whatever number of them it has begun: the turns that tenants take do not spare a
 * neighbour the work of a rush. A pace that an operator has set stays. False: this server knows no such thing.
 */
export async function ensurePublishPace({ workflowService, options }: Client): Promise<boolean> {
  const { namespace } = options;
  const taskQueueType = proto.temporal.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY;
  try {
    const { config } = await workflowService.describeTaskQueue({
      namespace,
      taskQueue: { name: VERIFY_TASK_QUEUE },
      taskQueueType,
      reportConfig: true,
    });
    if (config?.fairnessKeysRateLimitDefault?.rateLimit) return true;
    await workflowService.updateTaskQueueConfig({
      namespace,
      taskQueue: VERIFY_TASK_QUEUE,
      taskQueueType,
      updateFairnessKeyRateLimitDefault: {
        rateLimit: { requestsPerSecond: OF_A_TENANT_PER_SECOND },
        reason: 'no rush of publishes is felt by other tenants',
      },
    });
    return true;
  } catch (err) {
    const code: number | undefined = isGrpcServiceError(err) ? err.code : undefined;
    if (code === GRPC_UNIMPLEMENTED) return false;
    throw err;
  }
}
