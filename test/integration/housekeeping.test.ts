import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { createUploadStore } from '../../platform/db/uploads.ts';
import { buildWorkflows } from '../../scripts/build-workflows.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import type { HousekeepingResult } from '../../workflows/messages.ts';
import { eventually } from '../support/eventually.ts';
import { seedTenant } from '../support/seed.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';
import { createTestNamespace, TEST_CODEC_KEY, type TestNamespace } from '../support/workflow-environment.ts';

const running = new Set<WorkerProcess>();
let folder: string;
let database: TestDatabase;
let temporal: TestNamespace;
let environment: Record<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'alga-worker-'));
  database = await createTestDatabase('housekeeping');
  temporal = await createTestNamespace();
  const { file } = await buildWorkflows(() => undefined);
  environment = {
    WORKER_KIND: 'lifecycle',
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
    PAYLOAD_CODEC_KEY: TEST_CODEC_KEY.reveal(),
    STORAGE_FOLDER: path.join(folder, 'objects'),
    DATABASE_URL: database.url,
    GATEWAY_BASE_URL: 'http://127.0.0.1:9',
    WORKER_GATEWAY_TOKEN: 'unused',
    WORKFLOW_BUNDLE: file,
  };
});
afterEach(async () => {
  await Promise.all([...running].map((worker) => worker.kill()));
  running.clear();
});
afterAll(async () => {
  await temporal.close();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

function start(): WorkerProcess {
  const worker = startWorkerProcess(environment);
  running.add(worker);
  return worker;
}

async function days(): Promise<string[]> {
  const { rows } = await database.db.raw<{ rows: { relname: string }[] }>(
    `select relname from pg_class where relname ~ '^extension_execution_log_[0-9]{8}$' order by 1`,
  );
  return rows.map(({ relname }) => relname);
}

it('makes the days of the execution log ahead of time as soon as a worker starts, and keeps the schedule as an operator left it', async () => {
  const made = await days();
  for (const day of made.slice(-3)) await database.db.schema.dropTable(day);
  start();
  await eventually(async () => expect(await days()).toEqual(made));

  // Every sweep has run, too: in the process of a worker, with what a worker has.
  await eventually(async () => {
    const list = temporal.client.workflow.list({ query: `WorkflowType = 'housekeeping'` });
    for await (const { workflowId, status } of list) {
      expect(status.name).toBe('COMPLETED');
      const { swept } = (await temporal.client.workflow.getHandle(workflowId).result()) as HousekeepingResult;
      expect(swept).toMatchObject({
        objects: { count: 0 },
        installs: { count: 0 },
        executions: { count: 0 },
      });
      return;
    }
    throw new Error('it has not run yet');
  });

  const handle = temporal.client.schedule.getHandle('housekeeping');
  await eventually(async () => {
    const { info } = await handle.describe();
    expect(info.recentActions).toHaveLength(1);
    expect(info.runningActions).toEqual([]);
  });
  await handle.pause('for a while');
  const second = start();
  await eventually(() => expect(second.output()).toContain('RUNNING'));
  const { state, info } = await handle.describe();
  expect([state.paused, state.note, info.recentActions.length]).toEqual([true, 'for a while', 1]);
});

const script = promisify(execFile);

/** `npm run housekeeping`, as an operator runs it. */
async function byHand(...args: string[]): Promise<string> {
  const file = path.join(import.meta.dirname, '..', '..', 'scripts', 'housekeeping.ts');
  const { TEMPORAL_ADDRESS = '', TEMPORAL_NAMESPACE = '', PAYLOAD_CODEC_KEY = '' } = environment;
  const env = { TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, PAYLOAD_CODEC_KEY };
  return (await script(process.execPath, [file, ...args], { env })).stdout;
}

it('runs by hand, dry first, and shows what each sweep would do and did', async () => {
  start();
  const tenantId = await seedTenant(database.db);
  const uploadId = randomUUID();
  const expiresAt = new Date(Date.now() - 24 * 60 * 60 * 1000);
  const uploads = createUploadStore(database.db);
  await uploads.create(tenantId, { uploadId, expiresAt, createdBy: 'k', filename: 'b', announcedSize: 1 });
  const status = async () => (await uploads.find(tenantId, uploadId))?.status;

  expect(await byHand('--dry-run')).toMatch(/^uploads +1$/m);
  expect(await status()).toBe('uploading');
  expect(await byHand()).toMatch(/^uploads +1$/m);
  expect(await status()).toBe('aborted');
  expect(await byHand('--dry-run')).toMatch(/^uploads +0$/m);
});
