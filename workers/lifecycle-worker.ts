import { Client } from '@temporalio/client';
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import { createArtifactActivities } from '../activities/artifacts.ts';
import { createBundleActivities } from '../activities/bundles.ts';
import { createHousekeepingActivities } from '../activities/housekeeping.ts';
import { createInstallActivities } from '../activities/installs.ts';
import { createLifecycleActivities } from '../activities/install-lifecycle.ts';
import { createPurgeActivities } from '../activities/purge.ts';
import { createRegistryActivities } from '../activities/registry.ts';
import { createRunnerExecutions } from '../activities/runners.ts';
import { createSweepActivities } from '../activities/sweeps.ts';
import { createPublisherActivities } from '../activities/publishers.ts';
import { createSignatureActivities } from '../activities/signatures.ts';
import { createTrustActivities } from '../activities/trust.ts';
import { createUploadActivities } from '../activities/uploads.ts';
import { createUploadTrust } from '../activities/upload-trust.ts';
import { createVerificationActivities } from '../activities/verification.ts';
import { createVersionTrust } from '../activities/version-trust.ts';
import { createVersionChangeActivities } from '../activities/version-changes.ts';
import { LIFECYCLE_TASK_QUEUE, PROBE_TASK_QUEUE, VERIFY_TASK_QUEUE } from '../core/ids.ts';
import type { LifecycleWorkerConfig } from '../platform/config/worker.ts';
import { createArtifactStore } from '../platform/db/artifacts.ts';
import { openDatabase } from '../platform/db/database.ts';
import { createApiKeySweepStore } from '../platform/db/api-key-sweep.ts';
import { createDraftSweepStore } from '../platform/db/draft-sweep.ts';
import { createExecutionPartitionStore } from '../platform/db/execution-partitions.ts';
import { createExecutionSweepStore } from '../platform/db/execution-sweep.ts';
import { createExecutionStore } from '../platform/db/executions.ts';
import { createInstallDraftStore } from '../platform/db/install-drafts.ts';
import { createInstallLifecycleStore } from '../platform/db/install-lifecycle.ts';
import { createInstallOperationStore } from '../platform/db/install-operations.ts';
import { createInstallSweepStore } from '../platform/db/install-sweep.ts';
import { createPurgeStore } from '../platform/db/purge.ts';
import { createRegistryStore } from '../platform/db/registry.ts';
import { createPublisherStore } from '../platform/db/publishers.ts';
import { createTrustStore } from '../platform/db/trust.ts';
import { createSignatureStore } from '../platform/db/signatures.ts';
import { createUploadStore } from '../platform/db/uploads.ts';
import { createUploadSweepStore } from '../platform/db/upload-sweep.ts';
import { createVersionChangeStore } from '../platform/db/version-changes.ts';
import { createStorageSweepStore } from '../platform/db/storage-sweep.ts';
import { createVersionTrustStore } from '../platform/db/version-trust.ts';
import { createVersionSweepStore } from '../platform/db/version-sweep.ts';
import type { Logger } from '../platform/logger.ts';
import { createObjectKeys } from '../platform/objects/keys.ts';
import { createObjectStore } from '../platform/objects/create-object-store.ts';
import { createCancelWorkflow } from '../platform/temporal/cancel-workflow.ts';
import { createDataConverter } from '../platform/temporal/data-converter.ts';
import { createJudging } from '../platform/temporal/judging.ts';
import { createStartPurge } from '../platform/temporal/start-purge.ts';
import { startAdopting } from '../platform/temporal/start-adopting.ts';
import { connectionOptions } from '../platform/temporal/server.ts';
import { createReadWorkflowState } from '../platform/temporal/workflow-state.ts';
import { failureInterceptor } from './failure-interceptor.ts';
import { ensureHousekeepingSchedule } from './housekeeping-schedule.ts';
import { ensurePublishPace } from './publish-pace.ts';
import type { RunnableWorker } from './runnable-worker.ts';

/** Warm-ups and probes of one worker at once: with more, sandboxes that start take the time of guests that are being probed. */
const PROBES_AT_ONCE = 4;
/** Bundles that one worker reads at once: each takes about a core while it lasts, and up to the size of a component in memory. */
const BUNDLES_AT_ONCE = 2;

/** Workflows, and the activities on the database, the object store and the gateway. */
export async function createLifecycleWorker(
  config: LifecycleWorkerConfig,
  logger: Logger,
): Promise<RunnableWorker> {
  const { namespace, codecKeys } = config.temporal;
  const connection = await NativeConnection.connect(connectionOptions(config.temporal));
  const db = openDatabase(config.database);
  const objects = createObjectStore(config.objects);
  const keys = createObjectKeys(config.objects.base);
  const registry = createRegistryStore(db);
  const dataConverter = createDataConverter(codecKeys);
  const client = new Client({ connection, namespace, dataConverter });
  const purges = createPurgeStore(db);
  const uploads = createUploadStore(db);
  const signatures = createSignatureStore(db);
  const trust = createTrustStore(db, config.trustBundle);
  const uploadTrust = createUploadTrust({ trust, uploads });
  const trustedVersions = createVersionTrustStore(db);
  const versionTrust = createVersionTrust({ trust, versions: trustedVersions, objects, keys });
  const runners = createRunnerExecutions({ gateway: config.gateway });
  const changes = createVersionChangeStore(db);
  const lifecycleStore = createInstallLifecycleStore(db);
  const lifecycle = {
    ...createLifecycleActivities({
      lifecycle: lifecycleStore,
      changes,
      registry,
      executions: createExecutionStore(db),
      runners,
      cancelWorkflow: createCancelWorkflow(client),
    }),
    ...createVersionChangeActivities({ changes, lifecycle: lifecycleStore, registry, runners, versionTrust }),
  };
  const verifying = {
    ...createVerificationActivities({ objects, keys, registry, uploadTrust }),
    ...createBundleActivities({ objects, keys, uploads }),
  };
  const shared: Omit<WorkerOptions, 'taskQueue'> = {
    connection,
    namespace,
    dataConverter,
    interceptors: { activity: [() => ({ inbound: failureInterceptor })] },
    shutdownGraceTime: '5 seconds', // then activities are cancelled, and another worker takes them up
  };
  const worker = await Worker.create({
    ...shared,
    taskQueue: LIFECYCLE_TASK_QUEUE,
    workflowBundle: { codePath: config.workflowBundle },
    stickyQueueScheduleToStartTimeout: '3 seconds', // a killed worker's workflows move to another this soon
    activities: {
      ...createUploadActivities({ uploads, objects, keys }),
      ...createArtifactActivities({ artifacts: createArtifactStore(db) }),
      ...createRegistryActivities({ registry, uploads, signatures, objects, keys, uploadTrust }),
      ...createInstallActivities({
        operations: createInstallOperationStore(db),
        drafts: createInstallDraftStore(db),
        registry,
        versionTrust,
      }),
      ...createPublisherActivities({ publishers: createPublisherStore(db) }),
      ...createTrustActivities({ trust, versions: trustedVersions, versionTrust }),
      ...createSignatureActivities({ signatures, trust, objects, keys }),
      ...lifecycle,
      ...createPurgeActivities({ purges }),
      ...createHousekeepingActivities({
        partitions: createExecutionPartitionStore(db),
        executionDays: config.executionDays,
      }),
      ...createSweepActivities({
        apiKeys: createApiKeySweepStore(db),
        executions: createExecutionSweepStore(db),
        drafts: createDraftSweepStore(db),
        uploads: createUploadSweepStore(db),
        installs: createInstallSweepStore(db),
        versions: createVersionSweepStore(db),
        trust,
        judging: createJudging(client),
        records: createStorageSweepStore(db),
        purges,
        startPurge: createStartPurge(client),
        objects,
        keys,
        workflowState: createReadWorkflowState(client),
      }),
    },
  });
  const prober = await Worker.create({
    ...shared,
    taskQueue: PROBE_TASK_QUEUE,
    activities: lifecycle,
    maxConcurrentActivityTaskExecutions: PROBES_AT_ONCE,
  });
  const verifier = await Worker.create({
    ...shared,
    taskQueue: VERIFY_TASK_QUEUE,
    activities: verifying,
    maxConcurrentActivityTaskExecutions: BUNDLES_AT_ONCE,
  });
  const workers = [worker, prober, verifier];
  await startAdopting(client, trust, config.trustBundle);
  await ensureHousekeepingSchedule(client, logger);
  if (!(await ensurePublishPace(client))) {
    logger.warn(
      'this Temporal server cannot limit the tasks of one tenant: a rush of publishes slows all tenants',
    );
  }
  return {
    async run() {
      await Promise.all(workers.map((each) => each.run()));
    },
    polls: () => workers.every((each) => each.getState() === 'RUNNING'),
    shutdown() {
      for (const each of workers) each.shutdown();
    },
    async close() {
      await connection.close();
      await db.destroy();
    },
  };
}
