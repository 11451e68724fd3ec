import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createApiKeyStore } from '../../platform/db/api-keys.ts';
import { generateApiKey } from '../../platform/tokens/api-key.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { startFakeRunner, type FakeRunner } from '../support/fake-runner.ts';
import { startGatewayProcess } from '../support/gateway-process.ts';
import { installSample } from '../support/start-api.ts';
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
  const sample = await installSample({ db }, tenantId);
  const gateway = await startGatewayProcess({
    DATABASE_URL: database.url,
    STORAGE_FOLDER: folder,
    RUNNER_BASE_URL: runner.url,
  });
  try {
    const base = gateway.url;
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
    gateway.signal('SIGTERM');
    await eventually(async () => {
      await expect(fetch(`${base}/healthz`)).rejects.toThrow();
    });
    gate.resolve({ body: 'made it' });
    const answer = await call;
    expect([answer.status, await answer.text()]).toEqual([200, 'made it']);
    expect(await gateway.exited).toBe(0);
    const rows = (await db('extension_execution_log').where({ tenant_id: tenantId })) as { status: string }[];
    expect(rows.map(({ status }) => status)).toEqual(['succeeded']);
  } finally {
    gateway.signal('SIGKILL');
  }
});
