import { NativeConnection, Worker } from '@temporalio/worker';
import { createPrecompileActivities } from '../activities/precompile.ts';
import { ARTIFACT_TARGET } from '../core/artifact-target.ts';
import { PRECOMPILE_TASK_QUEUE } from '../core/ids.ts';
import type { PrecompileWorkerConfig } from '../platform/config/worker.ts';
import { createObjectKeys } from '../platform/objects/keys.ts';
import { createObjectStore } from '../platform/objects/create-object-store.ts';
import { createDataConverter } from '../platform/temporal/data-converter.ts';
import { readPrivateKey, readPublicKey } from '../platform/tokens/ed25519.ts';
import { failureInterceptor } from './failure-interceptor.ts';
import type { RunnableWorker } from './runnable-worker.ts';

/** Each component runs in a child of up to about a gigabyte; a machine with room for more runs more of these processes. */
const COMPONENTS_AT_ONCE = 2;

/** Inspection and transpiling of components. It has no database. */
export async function createPrecompileWorker(config: PrecompileWorkerConfig): Promise<RunnableWorker> {
  const { address, namespace, codecKey } = config.temporal;
  const connection = await NativeConnection.connect({ address });
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue: PRECOMPILE_TASK_QUEUE,
    dataConverter: createDataConverter(codecKey),
    interceptors: { activity: [() => ({ inbound: failureInterceptor })] },
    maxConcurrentActivityTaskExecutions: COMPONENTS_AT_ONCE,
    shutdownGraceTime: '5 seconds', // then activities are cancelled, and another worker takes them up
    activities: createPrecompileActivities({
      objects: createObjectStore(config.objects),
      keys: createObjectKeys(config.objects.base),
      signingKey: readPrivateKey(config.artifactSigningKey.reveal()),
      previousKeys: config.previousArtifactKeys.map(readPublicKey),
      target: ARTIFACT_TARGET,
    }),
  });
  return {
    run: () => worker.run(),
    shutdown: () => worker.shutdown(),
    close: () => connection.close(),
  };
}
