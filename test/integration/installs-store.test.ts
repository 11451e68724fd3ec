import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createInstallLifecycleStore } from '../../platform/db/install-lifecycle.ts';
import {
  createInstallOperationStore,
  type InstallOperationStore,
} from '../../platform/db/install-operations.ts';
import { createInstallStore, type InstallStore } from '../../platform/db/installs.ts';
import { createStorageRecordStore } from '../../platform/db/storage-records.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { openInput, seedTenant, seedVersion } from '../support/seed.ts';

let database: TestDatabase;
let installs: InstallStore;
let operations: InstallOperationStore;
beforeAll(async () => {
  database = await createTestDatabase('installs');
  installs = createInstallStore(database.db);
  operations = createInstallOperationStore(database.db);
});
afterAll(() => database.drop());

async function setup() {
  const tenantId = await seedTenant(database.db);
  const version = await seedVersion(database.db, tenantId, { publisher: `Publisher ${tenantId}` });
  const { extensionId, versionId } = version;
  const installId = randomUUID();
  const open = (id = installId, of = versionId) =>
    operations.open(tenantId, openInput({ installId: id, extensionId, versionId: of }));
  const find = (id = installId) => installs.find(tenantId, id);
  const activate = () => operations.activate(tenantId, installId, versionId, []);
  const fail = (id = installId) => operations.end(tenantId, id, failure);
  const wait = (runId = 'run') =>
    operations.wait(tenantId, installId, versionId, { waitingFor: 'consent', runId, steps: [] });
  return { tenantId, installId, version, extensionId, versionId, open, find, activate, fail, wait };
}

const failure = {
  status: 'failed' as const,
  error: { code: 'INTERNAL' as const, message: 'because' },
  steps: [],
};

describe('an install', () => {
  it('shows what runs beside what is served, until it is active', async () => {
    const { version, open, find, activate } = await setup();
    await open();
    await open();
    const installing = await find();
    expect(installing).toMatchObject({
      status: 'installing',
      operation: { kind: 'install', workflowId: 'install:test' },
      pending: { versionId: version.versionId, version: '1.0.0' },
      version: '1.0.0',
    });
    expect(installing?.activeVersionId).toBeUndefined();
    await activate();
    await activate();
    const active = await find();
    expect(active).toMatchObject({
      status: 'active',
      activeVersionId: version.versionId,
      version: '1.0.0',
    });
    expect(active).not.toHaveProperty('operation');
    expect(active).not.toHaveProperty('pending');
  });

  it('is refused while another of the same extension is alive, whatever its state', async () => {
    const { open, activate, wait } = await setup();
    await open();
    await expect(open(randomUUID())).rejects.toMatchObject({ code: 'INSTALL_EXISTS' });
    await wait();
    await expect(open(randomUUID())).rejects.toMatchObject({ code: 'INSTALL_EXISTS' });
    await open();
    await activate();
    await expect(open(randomUUID())).rejects.toMatchObject({ code: 'INSTALL_EXISTS' });
  });

  it('leaves one row when twenty begin at once', async () => {
    const { tenantId, open } = await setup();
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => open(randomUUID())));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'INSTALL_EXISTS' });
    }
    expect((await installs.list(tenantId, { limit: 50 })).items).toHaveLength(1);
  });

  it('waits with no operation running, and is taken up again under its own id', async () => {
    const { open, find, wait, versionId } = await setup();
    await open();
    await wait();
    await wait();
    const waiting = await find();
    expect(waiting).toMatchObject({
      status: 'awaiting-consent',
      pending: { versionId, waitingFor: 'consent' },
    });
    expect(waiting).not.toHaveProperty('operation');
    await open();
    expect(await find()).toMatchObject({ status: 'installing', operation: { kind: 'install' } });
    expect((await find())?.pending).not.toHaveProperty('waitingFor');
  });

  it('that waits is not taken up by another request for the same version', async () => {
    const { tenantId, installId, extensionId, versionId, open, find, wait } = await setup();
    await open();
    await wait();
    const other = { ...openInput({ installId, extensionId, versionId }), digest: 'other' };
    await expect(operations.open(tenantId, other)).rejects.toMatchObject({ code: 'STATE_CONFLICT' });
    expect((await find())?.status).toBe('awaiting-consent');
  });

  it('begins anew after it failed: another id, and nothing of the old one', async () => {
    const { tenantId, installId, extensionId, versionId, open, find, fail } = await setup();
    await open();
    const records = createStorageRecordStore(database.db);
    await records.put({ tenantId, installId }, 'notes', { key: 'a', value: Buffer.from('probe') });
    await fail();
    expect(await find()).toMatchObject({ status: 'failed', error: failure.error, version: '1.0.0' });
    expect(await find()).not.toHaveProperty('pending');
    expect(await installs.findByExtension(tenantId, extensionId)).toBeUndefined();
    await expect(open()).rejects.toMatchObject({ code: 'STATE_CONFLICT' });

    const again = randomUUID();
    await open(again);
    await operations.activate(tenantId, again, versionId, []);
    expect((await installs.findByExtension(tenantId, extensionId))?.installId).toBe(again);
    for (const id of [installId, again]) {
      expect(await records.list({ tenantId, installId: id }, 'notes')).toEqual({ records: [], more: false });
    }
    expect((await find())?.status).toBe('failed');
  });

  it('keeps the last attempts that failed and no more', async () => {
    const { tenantId, open, fail } = await setup();
    for (let attempt = 0; attempt < 14; attempt += 1) {
      const id = randomUUID();
      await open(id);
      await fail(id);
    }
    await open();
    const { items } = await installs.list(tenantId, { limit: 50 });
    expect(items.filter(({ status }) => status === 'failed')).toHaveLength(10);
  });

  it('is not activated after it has failed, and its first end stays', async () => {
    const { tenantId, installId, open, find, activate, fail } = await setup();
    await open();
    await fail();
    await expect(activate()).rejects.toMatchObject({ code: 'STATE_CONFLICT' });
    await operations.end(tenantId, installId, { status: 'declined', steps: [] });
    expect((await find())?.status).toBe('failed');
  });

  it('is not left to wait, nor are its steps shown, by a run that lost it to an uninstall', async () => {
    const { tenantId, installId, open, find, wait } = await setup();
    await open();
    const operation = {
      kind: 'uninstall',
      workflowId: 'uninstall:x',
      runId: 'other',
      startedAt: '',
    } as const;
    const lifecycle = createInstallLifecycleStore(database.db);
    await lifecycle.stopForGood(tenantId, installId, { operation, steps: [] });
    await expect(wait()).rejects.toMatchObject({ code: 'STATE_CONFLICT' });
    const steps = [{ name: 'consent', status: 'done', attempts: 1 } as const];
    await operations.grant(tenantId, installId, [], 'key', { runId: 'run', steps });
    expect(await find()).toMatchObject({ status: 'uninstalling', steps: [], operation });
  });

  it('is neither found nor listed nor changed by another tenant', async () => {
    const { installId, versionId, extensionId, open, find } = await setup();
    await open();
    const other = await seedTenant(database.db);
    expect(await installs.find(other, installId)).toBeUndefined();
    expect(await installs.findByExtension(other, extensionId)).toBeUndefined();
    expect((await installs.list(other, { limit: 50 })).items).toEqual([]);
    await operations.end(other, installId, failure);
    await expect(operations.activate(other, installId, versionId, [])).rejects.toMatchObject({
      code: 'STATE_CONFLICT',
    });
    expect((await find())?.status).toBe('installing');
  });

  it('keeps the grants of its version until they are revoked', async () => {
    const { tenantId, installId, open, find, activate } = await setup();
    await open();
    const grants = [{ capability: 'storage.kv' as const, scope: { namespaces: ['notes'] } }];
    await operations.grant(tenantId, installId, grants, 'key');
    await operations.grant(tenantId, installId, grants, 'key');
    expect((await find())?.grants).toEqual(grants);
    await activate();
    expect((await find())?.grants).toEqual(grants);
    await operations.revokeGrants(tenantId, installId);
    expect((await find())?.grants).toEqual(grants);
    await operations.deactivate(tenantId, installId);
    await operations.revokeGrants(tenantId, installId);
    await operations.revokeGrants(tenantId, installId);
    expect((await find())?.grants).toEqual([]);
  });
});
