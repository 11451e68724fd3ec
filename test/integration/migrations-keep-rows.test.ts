import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Knex } from 'knex';
import { migrations } from '../../migrations/index.ts';
import { createApiKeyStore } from '../../platform/db/api-keys.ts';
import { createExecutionStore } from '../../platform/db/executions.ts';
import { createHydrationStore } from '../../platform/db/hydration.ts';
import { createInstallOperationStore } from '../../platform/db/install-operations.ts';
import { createInstallStore } from '../../platform/db/installs.ts';
import { migrate } from '../../platform/db/migrate.ts';
import { createRegistryStore } from '../../platform/db/registry.ts';
import { createStorageRecordStore } from '../../platform/db/storage-records.ts';
import { createUploadStore } from '../../platform/db/uploads.ts';
import { createEmptyDatabase, type TestDatabase } from '../support/database.ts';
import { seedManifest } from '../support/seed.ts';
import { fillAsRelease010, type Release010 } from '../support/release-0.1.0.ts';

type Rows = Record<string, unknown>[];

let database: TestDatabase;
let old: Release010;
let before: Record<string, Rows>;

/** Every row of every table; partitions count as their table. */
async function rowsOf(db: Knex): Promise<Record<string, Rows>> {
  const tables = await db('pg_class')
    .whereRaw(`relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition`)
    .whereNot('relname', 'like', '%migration%')
    .pluck<string[]>('relname');
  const entries = tables.map(async (table) => [table, (await db(table).select('*')) as Rows] as const);
  return Object.fromEntries(await Promise.all(entries));
}

beforeAll(async () => {
  database = await createEmptyDatabase('migrations_keep_rows');
  const { db } = database;
  await migrate(db, Object.fromEntries(Object.entries(migrations).slice(0, 4)));
  old = await fillAsRelease010(db);
  before = await rowsOf(db);
  await migrate(db, migrations);
});
afterAll(() => database.drop());

describe('a database of release 0.1.0', () => {
  it('keeps every row and every value that still has a column', async () => {
    const after = await rowsOf(database.db);
    for (const [table, rows] of Object.entries(before)) {
      expect([table, rows.length > 0]).toEqual([table, true]);
      const columns = Object.keys(after[table]?.[0] ?? {});
      const kept = rows.map((row) =>
        Object.fromEntries(Object.entries(row).filter(([column]) => columns.includes(column))),
      );
      expect(after[table]).toHaveLength(rows.length);
      expect([table, after[table]]).toEqual([
        table,
        expect.arrayContaining(kept.map((row): unknown => expect.objectContaining(row))),
      ]);
    }
  });

  it('is read by the stores', async () => {
    const { db } = database;
    const { tenantId, extensionId, versionId, contentHash, installs, executions } = old;
    expect(await createApiKeyStore(db).findByKeyId(old.keyId)).toMatchObject({ tenantId });
    expect(await createRegistryStore(db).findVersion(extensionId, '1.0.0')).toMatchObject({
      versionId,
      contentHash,
    });
    expect(await createUploadStore(db).find(tenantId, old.uploadId)).toMatchObject({ status: 'published' });

    const store = createInstallStore(db);
    expect(await store.find(tenantId, installs.active)).toMatchObject({
      status: 'active',
      versionId,
      config: { greeting: 'hello' },
      configVersion: 3,
      grants: [{ capability: 'storage.kv', scope: { namespaces: ['notes'] } }],
    });
    expect(await store.find(tenantId, installs.failed)).toMatchObject({ status: 'failed', version: '1.0.0' });
    expect(await store.find(tenantId, installs.waiting)).toMatchObject({
      status: 'awaiting-consent',
      pending: { version: '1.0.0', waitingFor: 'consent' },
    });
    expect((await store.list(tenantId, { limit: 50 })).items).toHaveLength(3);
    expect(Object.keys(await store.secretNames(tenantId, installs.active))).toEqual(['TOKEN']);
    expect(await createHydrationStore(db).byExtension(tenantId, 'acme-tools.sample')).toMatchObject({
      installId: installs.active,
      configVersion: 3,
      endpoints: [{ path: '/notes/:id' }],
      secrets: [{ name: 'TOKEN', sealed: 'sealed' }],
    });
    const owner = { tenantId, installId: installs.active };
    const { records } = await createStorageRecordStore(db).list(owner, 'notes');
    expect(records).toMatchObject([{ key: 'one', revision: 7 }]);

    const log = createExecutionStore(db);
    expect(await log.find(tenantId, executions.failed)).toMatchObject({ errorCode: 'GUEST_TRAPPED' });
    const listed = await log.list(tenantId, { installId: installs.active }, { limit: 50 });
    expect(listed.items.map(({ executionId }) => executionId).sort()).toEqual(
      Object.values(executions).sort(),
    );
    const failed = await log.list(tenantId, { status: 'failed' }, { limit: 50 });
    expect(failed.items.map(({ executionId }) => executionId)).toEqual([executions.failed]);
  });

  it('lets publishers go on whose slugs read alike, and takes no more of them', async () => {
    const registry = createRegistryStore(database.db);
    const mayPublish = (publisher: string) =>
      registry.checkPublishable(old.tenantId, seedManifest({ name: 'alike', publisher }));
    await mayPublish('Acme Tools');
    await mayPublish('Acmetools');
    await expect(mayPublish('Ac-me Tools')).rejects.toMatchObject({ code: 'MANIFEST_INVALID' });
  });

  it('goes on with what was under way', async () => {
    const operations = createInstallOperationStore(database.db);
    const { configVersion } = await operations.applyDraft(old.tenantId, old.installs.active, old.draftId);
    expect(configVersion).toBe(4);
  });
});
