import { randomUUID } from 'node:crypto';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { createLifecycleActivities, type LifecycleActivities } from '../../activities/install-lifecycle.ts';
import { createInstallActivities, type InstallActivities } from '../../activities/installs.ts';
import { createPurgeActivities, type PurgeActivities } from '../../activities/purge.ts';
import type { RunnerExecutions } from '../../activities/runners.ts';
import {
  createVersionChangeActivities,
  type VersionChangeActivities,
} from '../../activities/version-changes.ts';
import type { LifecycleKind } from '../../core/progress.ts';
import { createExecutionStore } from '../../platform/db/executions.ts';
import { createInstallDraftStore } from '../../platform/db/install-drafts.ts';
import { createInstallLifecycleStore } from '../../platform/db/install-lifecycle.ts';
import { createInstallOperationStore } from '../../platform/db/install-operations.ts';
import { createInstallStore, type Install } from '../../platform/db/installs.ts';
import { createPurgeStore } from '../../platform/db/purge.ts';
import { createRegistryStore } from '../../platform/db/registry.ts';
import { createVersionChangeStore } from '../../platform/db/version-changes.ts';
import { createCancelWorkflow } from '../../platform/temporal/cancel-workflow.ts';
import type { OperateInstallInput } from '../../workflows/messages.ts';
import { beginOperation } from './begin-operation.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { openInput, seedTenant, seedVersion } from './seed.ts';
import { versionTrustOf } from './version-trust.ts';
import { watchActivities, type WatchedActivities } from './watched-activities.ts';
import { startWorkflowEnvironment } from './workflow-environment.ts';

type Activities = LifecycleActivities & PurgeActivities & VersionChangeActivities & InstallActivities;

export interface LifecycleEnvironment extends WatchedActivities {
  db: TestDatabase['db'];
  client: Client;
  /** What runners say; a test says what differs. */
  runners: Pick<RunnerExecutions, 'warmVersion' | 'probeVersion'>;
  /** An install that serves. */
  installed(): Promise<OperateInstallInput & { versionId: string }>;
  /** As the gateway does: answers once the row is written. */
  begin(kind: LifecycleKind, input: OperateInstallInput): Promise<WorkflowHandle>;
  find(input: OperateInstallInput): Promise<Install | undefined>;
  stop(): Promise<void>;
}

const HEALTHY = {
  warmVersion: () => Promise.resolve({ attempts: 1 }),
  probeVersion: () => Promise.resolve({ attempts: 1 }),
};

/** The real workflows and activities of an install's lifecycle on a database of their own; runners are scripted. */
export async function startLifecycleEnvironment(name: string): Promise<LifecycleEnvironment> {
  const database = await createTestDatabase(name);
  const { db } = database;
  const changes = createVersionChangeStore(db);
  const store = createInstallLifecycleStore(db);
  const registry = createRegistryStore(db);
  const versionTrust = versionTrustOf(db);
  const runners: LifecycleEnvironment['runners'] = {
    warmVersion: (input) => environment.runners.warmVersion(input),
    probeVersion: (input) => environment.runners.probeVersion(input),
  };
  const installing = createInstallActivities({
    operations: createInstallOperationStore(db),
    drafts: createInstallDraftStore(db),
    registry,
    versionTrust,
  });
  const lifecycle = createLifecycleActivities({
    lifecycle: store,
    changes,
    registry,
    executions: createExecutionStore(db),
    runners,
    cancelWorkflow: (id, signal) => createCancelWorkflow(environment.client)(id, signal),
  });
  const real: Activities = {
    ...lifecycle,
    ...createPurgeActivities({ purges: createPurgeStore(db) }),
    ...installing,
    ...createVersionChangeActivities({ changes, lifecycle: store, registry, runners, versionTrust }),
  };
  const { watched, activities } = watchActivities(real);
  const workflows = await startWorkflowEnvironment(activities);
  const { client } = workflows;
  const { reset } = watched;
  const environment: LifecycleEnvironment = Object.assign(watched, {
    db,
    client,
    runners: HEALTHY,
    reset() {
      reset();
      environment.runners = HEALTHY;
    },
    async installed() {
      const tenantId = await seedTenant(db);
      const version = await seedVersion(db, tenantId, {
        publisher: tenantId,
        health: '/health',
        api: {
          endpoints: [{ method: 'GET', path: '/health', handler: 'health', permission: 'extension:read' }],
        },
      });
      const { extensionId, versionId } = version;
      const installId = randomUUID();
      const operations = createInstallOperationStore(db);
      await operations.open(tenantId, openInput({ installId, extensionId, versionId }));
      await operations.activate(tenantId, installId, versionId, []);
      return { tenantId, extensionId, extension: 'a.b', installId, versionId, requestedBy: 'key:admin' };
    },
    begin: (kind: LifecycleKind, input: OperateInstallInput) => beginOperation(client, kind, input),
    find: ({ tenantId, installId }: OperateInstallInput) => createInstallStore(db).find(tenantId, installId),
    async stop() {
      await workflows.stop();
      await database.drop();
    },
  });
  return environment;
}
