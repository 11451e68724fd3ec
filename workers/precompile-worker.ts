import { createPublicKey } from 'node:crypto';
import { NativeConnection, Worker } from '@temporalio/worker';
import { createPrecompileActivities } from '../activities/precompile.ts';
import { ARTIFACT_TARGET } from '../core/artifact-target.ts';
import { PRECOMPILE_TASK_QUEUE } from '../core/ids.ts';
import type { PrecompileWorkerConfig } from '../platform/config/worker.ts';
import { createObjectKeys } from '../platform/objects/keys.ts';
import { createObjectStore } from '../platform/objects/create-object-store.ts';
import { keyIdOf } from '../platform/signatures/dsse.ts';
import { connectTemporal } from '../platform/temporal/client.ts';
import { createDataConverter } from '../platform/temporal/data-converter.ts';
import { connectionOptions } from '../platform/temporal/server.ts';
import { startRecompile } from '../platform/temporal/start-recompile.ts';
import { readPrivateKey, readPublicKey } from '../platform/tokens/ed25519.ts';
import { failureInterceptor } from './failure-interceptor.ts';
import type { RunnableWorker } from './runnable-worker.ts';

/** Each component runs in a child of up to about a gigabyte; a machine with room for more runs more of these processes. */
const COMPONENTS_AT_ONCE = 2;

/** Inspection and transpiling of components. It has no database. */
export async function createPrecompileWorker(config: PrecompileWorkerConfig): Promise<RunnableWorker> {
  const { namespace, codecKeys } = config.temporal;
  const connection = await NativeConnection.connect(connectionOptions(config.temporal));
  const signingKey = readPrivateKey(config.artifactSigningKey.reveal());
  const temporal = connectTemporal(config.temporal);
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue: PRECOMPILE_TASK_QUEUE,
    dataConverter: createDataConverter(codecKeys),
    interceptors: { activity: [() => ({ inbound: failureInterceptor })] },
    maxConcurrentActivityTaskExecutions: COMPONENTS_AT_ONCE,
    shutdownGraceTime: '5 seconds', // then activities are cancelled, and another worker takes them up
    activities: createPrecompileActivities({
      objects: createObjectStore(config.objects),
      keys: createObjectKeys(config.objects.base),
      signingKey,
      previousKeys: config.previousArtifactKeys.map(readPublicKey),
      target: ARTIFACT_TARGET,
    }),
  });
  return {
    async run() {
      // Its target or its key may be new: nobody else knows both.
      const keyId = keyIdOf(createPublicKey(signingKey));
      await startRecompile(temporal.client, { target: ARTIFACT_TARGET, keyId });
      await worker.run();
    },
    polls: () => worker.getState() === 'RUNNING',
    shutdown: () => worker.shutdown(),
    async close() {
      await temporal.close();
      await connection.close();
    },
  };
}
