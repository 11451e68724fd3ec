import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createInstallDraftStore } from '../../platform/db/install-drafts.ts';
import { createInstallStore, type Install } from '../../platform/db/installs.ts';
import { buildWorkflows } from '../../scripts/build-workflows.ts';
import type { InstallExtensionInput } from '../../workflows/messages.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { beginInstall } from '../support/fake-install.ts';
import { seedTenant, seedVersion } from '../support/seed.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';
import {
  createTestNamespace,
  failureCode,
  stepStatuses,
  TEST_CODEC_KEY,
  type TestNamespace,
} from '../support/workflow-environment.ts';

const running = new Set<WorkerProcess>();
let folder: string;
let database: TestDatabase;
let temporal: TestNamespace;
let environment: Record<string, string>;
let gateway: Server;
/** How the gateway answers a worker's execution; a test that lets it hang keeps the response. */
let answer: (res: ServerResponse) => void;

const respond = (body: object) => (res: ServerResponse) => {
  res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
};
const healthy = respond({ status: 200, durationMs: 1 });

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'alga-worker-'));
  database = await createTestDatabase('worker_install');
  temporal = await createTestNamespace();
  gateway = createServer((_req, res) => answer(res));
  await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve));
  const { file } = await buildWorkflows(() => undefined);
  environment = {
    WORKER_KIND: 'lifecycle',
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
    PAYLOAD_CODEC_KEY: TEST_CODEC_KEY.reveal(),
    STORAGE_FOLDER: path.join(folder, 'objects'),
    DATABASE_URL: database.url,
    GATEWAY_BASE_URL: `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`,
    WORKER_GATEWAY_TOKEN: 'worker-token',
    WORKFLOW_BUNDLE: file,
  };
});

afterEach(async () => {
  await Promise.all([...running].map((worker) => worker.kill()));
  running.clear();
});

afterAll(async () => {
  gateway.closeAllConnections();
  await new Promise((resolve) => gateway.close(resolve));
  await temporal.close();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

function start(): WorkerProcess {
  const worker = startWorkerProcess(environment);
  running.add(worker);
  return worker;
}

/** A published version with a health endpoint, and a draft of settings and a sealed secret. */
async function prepare(): Promise<InstallExtensionInput> {
  const tenantId = await seedTenant(database.db);
  const installId = randomUUID();
  const { extensionId, versionId, version, contentHash } = await seedVersion(database.db, tenantId, {
    publisher: `Publisher ${installId}`,
    health: '/health',
    settings: { type: 'object', properties: { greeting: { type: 'string' } } },
    secrets: [{ name: 'TOKEN' }],
    api: { endpoints: [{ method: 'GET', path: '/health', handler: 'health', permission: 'extension:read' }] },
  });
  const draftId = randomUUID();
  await createInstallDraftStore(database.db).create(tenantId, {
    draftId,
    installId,
    versionId,
    config: { greeting: 'Hello' },
    secrets: { TOKEN: { sealed: 'c2VhbGVk', keyId: 'k' } },
    replaceSecrets: true,
    reset: false,
    kind: 'install',
    digest: draftId,
    expiresAt: new Date(Date.now() + 600_000),
  });
  const ids = { tenantId, extensionId, extension: 'alga.hello', installId, versionId, draftId };
  return { ...ids, contentHash, version, consent: 'all', requestedBy: 'key:admin', digest: 'd' };
}

const find = ({ tenantId, installId }: InstallExtensionInput): Promise<Install | undefined> =>
  createInstallStore(database.db).find(tenantId, installId);

async function draftsOf({ tenantId }: InstallExtensionInput): Promise<number> {
  const rows = (await database.db('install_draft').where({ tenant_id: tenantId })) as unknown[];
  return rows.length;
}

describe('a worker as a process', () => {
  it('installs: the version serves, with its grants and settings, and the draft is gone', async () => {
    start();
    answer = healthy;
    const input = await prepare();
    expect((await (await beginInstall(temporal.client, input)).result()).status).toBe('active');
    expect(await find(input)).toMatchObject({
      status: 'active',
      activeVersionId: input.versionId,
      config: { greeting: 'Hello' },
      configVersion: 1,
      secretsVersion: 1,
      grants: [{ capability: 'storage.kv', scope: { namespaces: ['notes'] } }],
    });
    expect(await draftsOf(input)).toBe(0);
  });

  it('finishes, once, an install whose worker was killed while a runner warmed up', async () => {
    const doomed = start();
    const warming = Promise.withResolvers<undefined>();
    answer = () => warming.resolve(undefined); // and never answers
    const input = await prepare();
    const handle = await beginInstall(temporal.client, input);
    await warming.promise;
    await doomed.kill();
    answer = healthy;
    start();
    const result = await handle.result();
    expect(result.status).toBe('active');
    expect(await find(input)).toMatchObject({ status: 'active', configVersion: 1, secretsVersion: 1 });
  });

  it('leaves nothing behind when the version is not healthy, and the row says why', async () => {
    start();
    answer = respond({ status: 500, durationMs: 1 });
    const input = await prepare();
    const handle = await beginInstall(temporal.client, input);
    expect(await failureCode(handle.result())).toBe('HEALTH_CHECK_FAILED');
    const row = await find(input);
    expect(row).toMatchObject({
      status: 'failed',
      error: { code: 'HEALTH_CHECK_FAILED' },
      configVersion: 0,
      grants: [],
    });
    expect(stepStatuses(row ?? {})).toMatchObject({
      consent: 'undone',
      configure: 'undone',
      probe: 'failed',
    });
    expect(await createInstallStore(database.db).secretNames(input.tenantId, input.installId)).toEqual({});
    expect(await draftsOf(input)).toBe(0);
  });
});
