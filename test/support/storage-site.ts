import { randomUUID } from 'node:crypto';
import type { Knex } from 'knex';
import { createInstallOperationStore } from '../../platform/db/install-operations.ts';
import {
  createStorageRecordStore,
  type StorageCaller,
  type StorageRecordStore,
} from '../../platform/db/storage-records.ts';
import type { Increment, NewRecord } from '../../platform/db/storage-writes.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { openInput, seedExecution, seedTenant, seedVersion } from './seed.ts';

export const NAMESPACE = 'notes';

export const record = (key: string, text: string, more: Partial<NewRecord> = {}): NewRecord => ({
  key,
  value: Buffer.from(text),
  ...more,
});

type More = Partial<NewRecord>;

export interface StorageSite {
  db: TestDatabase['db'];
  records: StorageRecordStore;
  owner: StorageCaller;
  /** From here on another install's. */
  change(): Promise<void>;
  put(key: string, text: string, more?: More): Promise<number>;
  putKeys(keys: readonly string[]): Promise<number[]>;
  read(key: string): Promise<string>;
  increment(key: string, more?: Partial<Increment>): Promise<bigint>;
  rows(): Knex.QueryBuilder;
  count(): Promise<number>;
  /** Lets the time of records be over. */
  end(...keys: string[]): Promise<unknown>;
  /** Fills the install's storage without going through the store, with records that are over or have no end. */
  fill(what: { namespaces?: number; keys?: number; bytes?: number; over?: boolean }): Promise<void>;
  close(): Promise<void>;
}

/** A database with the store of records, used as one install's in one namespace. */
export async function createStorageSite(name: string): Promise<StorageSite> {
  const database = await createTestDatabase(name);
  const { db } = database;
  const records = createStorageRecordStore(db);

  const site: StorageSite = {
    db,
    records,
    owner: await seedStorageOwner(db),
    close: () => database.drop(),
    async change() {
      site.owner = await seedStorageOwner(db);
    },
    put: (key, text, more) => records.put(site.owner, NAMESPACE, record(key, text, more)),
    putKeys: (keys) =>
      records.putAll(
        site.owner,
        NAMESPACE,
        keys.map((key) => record(key, key)),
      ),
    read: async (key) => (await records.get(site.owner, NAMESPACE, key)).value.toString(),
    increment: (key, more) => records.increment(site.owner, NAMESPACE, { key, delta: 1n, ...more }),
    rows: () => db('extension_storage_record').where({ install_id: site.owner.installId }),
    async count() {
      const [row] = (await site.rows().count({ count: '*' })) as [{ count: number }];
      return row.count;
    },
    end: async (...keys) =>
      site
        .rows()
        .whereIn('key', keys)
        .update({ expires_at: db.raw("now() - interval '1 second'") }),
    async fill({ namespaces = 1, keys = 1, bytes = 1, over = false }) {
      await db.raw(
        `insert into extension_storage_record (tenant_id, install_id, namespace, key, value, revision, expires_at)
         select ?, ?, 'ns' || n, 'key' || k, convert_to(repeat('x', ?), 'UTF8'), 1,
                case when ? then now() - interval '1 second' end
         from generate_series(1, ?) n, generate_series(1, ?) k`,
        [site.owner.tenantId, site.owner.installId, bytes, over, namespaces, keys],
      );
    },
  };
  return site;
}

/** An execution under way of an install that may keep records, in a tenant of its own. */
export async function seedStorageOwner(db: Knex): Promise<StorageCaller> {
  const tenantId = await seedTenant(db);
  const { extensionId, versionId } = await seedVersion(db, tenantId, { publisher: tenantId });
  const installId = randomUUID();
  const install = { installId, extensionId, versionId };
  const operations = createInstallOperationStore(db);
  await operations.open(tenantId, openInput(install));
  await operations.grant(tenantId, installId, [{ capability: 'storage.kv', scope: {} }], 't');
  return { tenantId, installId, versionId, executionId: await seedExecution(db, tenantId, install) };
}
