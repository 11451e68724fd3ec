import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Client } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import {
  LIFECYCLE_TASK_QUEUE,
  PRECOMPILE_TASK_QUEUE,
  PROBE_TASK_QUEUE,
  VERIFY_TASK_QUEUE,
} from '../../core/ids.ts';
import { SEARCH_ATTRIBUTES } from '../../core/search-attributes.ts';
import type { Step, StepStatus } from '../../core/progress.ts';
import { SecretValue } from '../../core/secret-value.ts';
import { connectTemporal, type TemporalConnection } from '../../platform/temporal/client.ts';
import { createDataConverter } from '../../platform/temporal/data-converter.ts';
import { fromTemporalError } from '../../platform/temporal/failures.ts';
import { buildWorkflows } from '../../scripts/build-workflows.ts';
import { failureInterceptor } from '../../workers/failure-interceptor.ts';

/** `INDEXED_VALUE_TYPE_KEYWORD` of Temporal's API. */
const KEYWORD = 2;
const RETENTION = { seconds: 24 * 60 * 60 };

/** Fixed, so that recorded histories can be replayed. Never a tenant's. */
export const TEST_CODEC_KEY = new SecretValue(Buffer.alloc(32, 7).toString('base64'));

type Activities = Record<string, (input: never) => Promise<unknown>>;

export interface TestNamespace extends TemporalConnection {
  namespace: string;
  address: string;
}

export interface WorkflowEnvironment {
  client: Client;
  namespace: string;
  stop(): Promise<void>;
}

/** The real workflows as the build bundles them; it does so once for each state of their sources. */
export async function bundleWorkflows(): Promise<{ code: string }> {
  quiet();
  const { file } = await buildWorkflows(console.log);
  return { code: await readFile(file, 'utf8') };
}

/** A namespace of its own on the Temporal of the test run, so that files can run side by side on one server. */
export async function createTestNamespace(): Promise<TestNamespace> {
  const address = process.env['TEST_TEMPORAL_ADDRESS'];
  if (address === undefined) throw new Error('TEST_TEMPORAL_ADDRESS is unset: run through `npm test`');
  const namespace = `test-${randomUUID()}`;
  const temporal = connectTemporal({ address, namespace, codecKeys: [TEST_CODEC_KEY] });
  await createNamespace(temporal.client, namespace);
  return { ...temporal, namespace, address };
}

/** The same with workers of every task queue in this process, running the real workflows with the given activities. */
export async function startWorkflowEnvironment(activities: Activities): Promise<WorkflowEnvironment> {
  const { client, namespace, address, close } = await createTestNamespace();
  const workers = await startWorkers({ address, namespace }, activities);
  return {
    client,
    namespace,
    async stop() {
      await workers.stop();
      await close();
    },
  };
}

/** Workers of every task queue in this process. */
export async function startWorkers(
  { address, namespace }: { address: string; namespace: string },
  activities: Activities,
): Promise<{ stop(): Promise<void> }> {
  const workflowBundle = await bundleWorkflows();
  const connection = await NativeConnection.connect({ address });
  const shared = {
    connection,
    namespace,
    activities,
    dataConverter: createDataConverter([TEST_CODEC_KEY]),
    interceptors: { activity: [() => ({ inbound: failureInterceptor })] },
    shutdownGraceTime: 0,
  };
  const workers = [await Worker.create({ ...shared, taskQueue: LIFECYCLE_TASK_QUEUE, workflowBundle })];
  for (const taskQueue of [PRECOMPILE_TASK_QUEUE, PROBE_TASK_QUEUE, VERIFY_TASK_QUEUE]) {
    workers.push(await Worker.create({ ...shared, taskQueue }));
  }
  const running = workers.map((worker) => worker.run());
  return {
    async stop() {
      for (const worker of workers) worker.shutdown();
      await Promise.all(running);
      await connection.close();
    },
  };
}

/** The code of the PlatformError a workflow or an update failed with; undefined if it did not fail. */
export async function failureCode(outcome: Promise<unknown>): Promise<string | undefined> {
  return outcome.then(
    () => undefined,
    (err: unknown) => fromTemporalError(err)?.code ?? String(err),
  );
}

export function stepStatuses({ steps }: { steps?: Step[] }): Record<string, StepStatus> {
  return Object.fromEntries((steps ?? []).map(({ name, status }) => [name, status]));
}

async function createNamespace({ connection }: Client, namespace: string): Promise<void> {
  const { workflowService, operatorService } = connection as Client['connection'] & {
    operatorService: { addSearchAttributes(request: object): Promise<unknown> };
  };
  await workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: RETENTION as never,
  });
  await operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(SEARCH_ATTRIBUTES.map((name) => [name, KEYWORD])),
  });
}

let installed = false;
/** The SDK logs every failure of an activity; in tests they are on purpose. */
function quiet(): void {
  if (installed) return;
  installed = true;
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
}
