import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Client, WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createSweepActivities, type SweepActivities, type SweepResult } from '../../activities/sweeps.ts';
import { LIFECYCLE_TASK_QUEUE } from '../../core/ids.ts';
import { createApiKeySweepStore } from '../../platform/db/api-key-sweep.ts';
import { createDraftSweepStore } from '../../platform/db/draft-sweep.ts';
import { createExecutionSweepStore } from '../../platform/db/execution-sweep.ts';
import { createInstallSweepStore } from '../../platform/db/install-sweep.ts';
import { createPurgeStore } from '../../platform/db/purge.ts';
import { createStorageSweepStore } from '../../platform/db/storage-sweep.ts';
import { createTrustStore } from '../../platform/db/trust.ts';
import { createUploadSweepStore } from '../../platform/db/upload-sweep.ts';
import { createVersionSweepStore } from '../../platform/db/version-sweep.ts';
import { createFolderObjectStore } from '../../platform/objects/folder-object-store.ts';
import { createObjectKeys, type ObjectKeys } from '../../platform/objects/keys.ts';
import type { ObjectStore } from '../../platform/objects/object-store.ts';
import { createJudging } from '../../platform/temporal/judging.ts';
import { createStartPurge } from '../../platform/temporal/start-purge.ts';
import { createReadWorkflowState } from '../../platform/temporal/workflow-state.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { createTestNamespace } from './workflow-environment.ts';

export interface Sweeper {
  db: TestDatabase['db'];
  client: Client;
  folder: string;
  objects: ObjectStore;
  keys: ObjectKeys;
  /** Called after a workflow's state is read and before anything follows from it. */
  afterLook: () => Promise<void>;
  /** Runs a sweep as a worker does, and answers its count. */
  sweep(name: keyof SweepActivities, dryRun?: boolean): Promise<number>;
  /** Dry, then for good, then once more. */
  sweepThrice(name: keyof SweepActivities): Promise<number[]>;
  /** Nobody polls for it: it runs until it is terminated. */
  startWorkflow(type: string, workflowId: string): Promise<WorkflowHandleWithFirstExecutionRunId>;
  close(): Promise<void>;
}

/** The real sweeps on a database, a Temporal namespace and a folder of their own. */
export async function createSweeper(name: string): Promise<Sweeper> {
  const database = await createTestDatabase(name);
  const temporal = await createTestNamespace();
  const folder = await mkdtemp(path.join(os.tmpdir(), 'alga-sweeps-'));
  const { db } = database;
  const objects = createFolderObjectStore({ folder });
  const keys = createObjectKeys('sha256/');
  const readState = createReadWorkflowState(temporal.client);
  const activities = createSweepActivities({
    apiKeys: createApiKeySweepStore(db),
    executions: createExecutionSweepStore(db),
    drafts: createDraftSweepStore(db),
    uploads: createUploadSweepStore(db),
    installs: createInstallSweepStore(db),
    versions: createVersionSweepStore(db),
    trust: createTrustStore(db, undefined),
    judging: createJudging(temporal.client),
    records: createStorageSweepStore(db),
    purges: createPurgeStore(db),
    startPurge: createStartPurge(temporal.client),
    objects,
    keys,
    async workflowState(id) {
      const state = await readState(id);
      await sweeper.afterLook();
      return state;
    },
  });
  const sweeper: Sweeper = {
    db,
    client: temporal.client,
    folder,
    objects,
    keys,
    afterLook: () => Promise.resolve(),
    async sweep(sweepName, dryRun = false) {
      const run = () => activities[sweepName]({ dryRun });
      const { count } = await new MockActivityEnvironment().run<[], SweepResult, typeof run>(run);
      return count;
    },
    sweepThrice: async (sweepName) => [
      await sweeper.sweep(sweepName, true),
      await sweeper.sweep(sweepName),
      await sweeper.sweep(sweepName),
    ],
    startWorkflow: (type, workflowId) =>
      temporal.client.workflow.start(type, { workflowId, taskQueue: LIFECYCLE_TASK_QUEUE, args: [{}] }),
    async close() {
      await temporal.close();
      await database.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return sweeper;
}

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;
export const ago = (ms: number): Date => new Date(Date.now() - ms);
