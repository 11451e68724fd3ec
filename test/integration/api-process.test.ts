import { spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createApiKeyStore } from '../../platform/db/api-keys.ts';
import { generateSecretsKeyPair } from '../../platform/secrets/sealing-suite.ts';
import { generateApiKey } from '../../platform/tokens/api-key.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { startFakeRunner, type FakeRunner } from '../support/fake-runner.ts';
import { installSample } from '../support/start-api.ts';
import { createInstallStore } from '../../platform/db/installs.ts';
import { seedTenant } from '../support/seed.ts';

let database: TestDatabase;
let folder: string;
let runner: FakeRunner;
beforeAll(async () => {
  database = await createTestDatabase('api_process');
  folder = await mkdtemp(path.join(os.tmpdir(), 'alga-gateway-'));
  runner = await startFakeRunner();
});
afterAll(async () => {
  await runner.close();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

function startGateway(port: number): ChildProcess {
  const { privateKey } = generateKeyPairSync('ed25519');
  return spawn(process.execPath, [path.resolve('api/main.ts')], {
    stdio: 'ignore',
    env: {
      PATH: process.env['PATH'],
      GATEWAY_PORT: String(port),
      DATABASE_URL: database.url,
      TEMPORAL_ADDRESS: '127.0.0.1:1',
      PAYLOAD_CODEC_KEY: Buffer.alloc(32, 1).toString('base64'),
      STORAGE_FOLDER: folder,
      RUNNER_BASE_URL: runner.url,
      RUNNER_PUBLIC_BASE: 'http://ui.test',
      RUNNER_SERVICE_TOKEN: 'service',
      RUNNER_GATEWAY_TOKEN: 'runner',
      WORKER_GATEWAY_TOKEN: 'worker',
      EXECUTION_TOKEN_PRIVATE_KEY: privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64'),
      SECRETS_PUBLIC_KEY: generateSecretsKeyPair().publicKey,
    },
  });
}

it('starts while Temporal is away, and on SIGTERM lets a call under way end and records it', async () => {
  const { db } = database;
  const tenantId = await seedTenant(db);
  const generated = generateApiKey();
  await createApiKeyStore(db).create(tenantId, {
    ...generated,
    name: 'test',
    permissions: ['extension:read'],
    createdBy: 'test',
  });
  const sample = await installSample({ db, deps: { installs: createInstallStore(db) } }, tenantId);
  const port = await freePort();
  const gateway = startGateway(port);
  try {
    const base = `http://127.0.0.1:${port}`;
    await eventually(async () => expect((await fetch(`${base}/readyz`)).status).toBe(200));

    const arrived = Promise.withResolvers<undefined>();
    const gate = Promise.withResolvers<{ body: string }>();
    runner.reply = () => {
      arrived.resolve(undefined);
      return gate.promise;
    };
    const call = fetch(`${base}/api/ext/${sample.extensionId}/notes/1`, {
      headers: { authorization: `Bearer ${generated.key}` },
    });
    await arrived.promise;
    const exited = once(gateway, 'exit');
    gateway.kill('SIGTERM');
    await eventually(async () => {
      await expect(fetch(`${base}/healthz`)).rejects.toThrow();
    });
    gate.resolve({ body: 'made it' });
    const answer = await call;
    expect([answer.status, await answer.text()]).toEqual([200, 'made it']);
    expect(await exited).toEqual([0, null]);
    const rows = (await db('extension_execution_log').where({ tenant_id: tenantId })) as { status: string }[];
    expect(rows.map(({ status }) => status)).toEqual(['succeeded']);
  } finally {
    gateway.kill('SIGKILL');
  }
});
