import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createWorkflowStarter } from '../../api/workflow-starter.ts';
import { publishWorkflowId } from '../../core/ids.ts';
import { createUploadStore } from '../../platform/db/uploads.ts';
import { createHttpServer } from '../../platform/http/http-server.ts';
import type { publishBundle } from '../../workflows/publish-bundle.ts';
import { buildWorkflows } from '../../scripts/build-workflows.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { seedTenant, seedUpload } from '../support/seed.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';
import { createTestNamespace, TEST_CODEC_KEY, type TestNamespace } from '../support/workflow-environment.ts';

const AT_ONCE = 2;
const RUSH = 12;
const NO_BUNDLE = 'no bundle';

let folder: string;
let database: TestDatabase;
let temporal: TestNamespace;
let worker: WorkerProcess;
let store: SlowStore;

/** An S3 whose uploads arrive when the test says so. */
interface SlowStore {
  url: string;
  /** Keys that were read, in their order. */
  asked: string[];
  /** Sends what was asked for, and from now on everything at once. */
  release(): void;
  close(): Promise<void>;
}

async function startSlowStore(): Promise<SlowStore> {
  const asked: string[] = [];
  const waiting: ServerResponse[] = [];
  let released = false;
  const send = (res: ServerResponse): void =>
    void res.setHeader('content-length', NO_BUNDLE.length).end(NO_BUNDLE);
  const server = createHttpServer((req, res) => {
    if (req.method !== 'GET') {
      res.statusCode = 204;
      res.end();
      return;
    }
    // Housekeeping looks through staging as well.
    if (req.url?.includes('x-id=GetObject')) asked.push(req.url);
    if (released) send(res);
    else waiting.push(res);
  });
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    release() {
      released = true;
      for (const res of waiting.splice(0)) send(res);
    },
    close: () => server.close(0),
  };
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'alga-worker-'));
  database = await createTestDatabase('worker_verification');
  temporal = await createTestNamespace();
  store = await startSlowStore();
  const { file } = await buildWorkflows(() => undefined);
  worker = startWorkerProcess({
    WORKER_KIND: 'lifecycle',
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
    PAYLOAD_CODEC_KEY: TEST_CODEC_KEY.reveal(),
    STORAGE_S3_ENDPOINT: store.url,
    STORAGE_S3_ACCESS_KEY: 'test',
    STORAGE_S3_SECRET_KEY: 'test',
    STORAGE_S3_BUCKET: 'bundles',
    DATABASE_URL: database.url,
    GATEWAY_BASE_URL: 'http://127.0.0.1:9',
    WORKER_GATEWAY_TOKEN: 'unused',
    WORKFLOW_BUNDLE: file,
  });
});

afterAll(async () => {
  await worker.kill();
  await store.close();
  await temporal.close();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

/** A publish that is open and waits for its verification, or is in it. */
async function publish(tenantId: string) {
  const uploads = createUploadStore(database.db);
  const uploadId = randomUUID();
  await seedUpload(database.db, { tenantId, uploadId }, NO_BUNDLE.length);
  await uploads.markReceived(tenantId, uploadId, { size: NO_BUNDLE.length, sha256: '0'.repeat(64) });
  await createWorkflowStarter(temporal.client).startPublish({ tenantId, uploadId, requestedBy: 'key' });
  const handle = temporal.client.workflow.getHandle<typeof publishBundle>(publishWorkflowId(uploadId));
  await eventually(async () => expect((await handle.describe()).raw.pendingActivities).toHaveLength(1));
  return { uploadId, handle };
}

describe('a worker that gets many bundles to verify', () => {
  it('reads two at once, goes on with other work meanwhile, and gives another tenant its turn', async () => {
    const busy = await seedTenant(database.db);
    const rush = [];
    for (let n = 0; n < RUSH; n += 1) rush.push(await publish(busy));
    await eventually(() => expect(store.asked).toHaveLength(AT_ONCE));
    // Its row is opened by the very worker whose slots for bundles are taken.
    const other = await publish(await seedTenant(database.db));
    expect(store.asked).toHaveLength(AT_ONCE);

    store.release();
    const ends = await Promise.all([...rush, other].map(({ handle }) => handle.result()));
    expect(ends.map(({ status }) => status)).toEqual(Array(RUSH + 1).fill('rejected'));
    expect(store.asked).toHaveLength(RUSH + 1);
    expect(store.asked.findIndex((url) => url.includes(other.uploadId))).toBeLessThan(RUSH / 2);
  });
});
