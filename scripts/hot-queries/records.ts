import type { Knex } from 'knex';
import { createHostGrantStore } from '../../platform/db/host-grants.ts';
import { createStorageRecordStore, type StorageCaller } from '../../platform/db/storage-records.ts';
import { beginExecution, busy, idOf, usual, type HotQuery } from './hot-query.ts';

const PAGE = 100;
const value = Buffer.alloc(200, 'v');
const keys = Array.from({ length: 10 }, (_none, n) => `note-${String(n * 700).padStart(6, '0')}`);
const several = keys.map((key) => ({ key, value }));

/** Records that guests keep; install 0-0 has 5,000 of them. */
export function recordQueries(): HotQuery[] {
  const callerIn = async (db: Knex): Promise<StorageCaller> => ({
    ...busy,
    versionId: idOf('version-0-0'),
    executionId: await beginExecution(db, busy),
  });
  return [
    {
      name: 'host call: what its execution was granted',
      rows: 3,
      run: async (db) => createHostGrantStore(db).scopeOf(await callerIn(db), 'storage.kv'),
    },
    {
      name: 'record: may it be used',
      rows: 3,
      run: async (db) => createStorageRecordStore(db).check(await callerIn(db), 'notes'),
    },
    {
      name: 'record: get',
      rows: 4,
      run: async (db) => createStorageRecordStore(db).get(await callerIn(db), 'notes', 'note-000123'),
    },
    {
      name: 'record: put over one of the same size',
      rows: 1,
      run: (db) => createStorageRecordStore(db).put(busy, 'notes', { key: 'note-000123', value }),
    },
    {
      name: 'record: put a new one',
      rows: 4,
      run: (db) => createStorageRecordStore(db).put(busy, 'notes', { key: 'new', value }),
    },
    {
      name: 'record: delete',
      rows: 1,
      run: (db) => createStorageRecordStore(db).remove(busy, 'notes', 'note-000123'),
    },
    {
      name: 'records, first page',
      rows: PAGE,
      run: (db) => createStorageRecordStore(db).list(busy, 'notes'),
    },
    {
      name: 'records, later page',
      rows: PAGE,
      run: (db) => createStorageRecordStore(db).list(busy, 'notes', { after: 'note-003000' }),
    },
    {
      name: 'record: count one up, made a counter before',
      rows: 2,
      run: async (db) => {
        const key = 'note-000123';
        await db('extension_storage_record')
          .where({ tenant_id: busy.tenantId, install_id: busy.installId, namespace: 'notes', key })
          .update({ value: Buffer.from('100') });
        await createStorageRecordStore(db).increment(busy, 'notes', { key, delta: 1n });
      },
    },
    {
      name: 'records: put several, new and old',
      rows: 4 * several.length,
      run: (db) => createStorageRecordStore(db).putAll(busy, 'notes', several),
    },
    {
      name: 'records: get several',
      rows: several.length,
      run: (db) => createStorageRecordStore(db).getAll(busy, 'notes', keys),
    },
    {
      name: 'records: delete several, locked in order before',
      rows: 2 * several.length,
      run: (db) => createStorageRecordStore(db).removeAll(busy, 'notes', keys),
    },
    {
      name: 'records by prefix, first page',
      rows: PAGE + 1,
      run: (db) => createStorageRecordStore(db).page(busy, 'notes', { prefix: 'note-00', limit: PAGE }),
    },
    {
      name: 'records by prefix, the last few',
      rows: 10,
      run: (db) => createStorageRecordStore(db).page(busy, 'notes', { prefix: 'note-00012', limit: PAGE }),
    },
    {
      name: 'records: put where the install is full of some that are over',
      rows: 2_000,
      run: async (db) => {
        await db('extension_storage_record')
          .where({ tenant_id: busy.tenantId, install_id: busy.installId })
          .where('key', '<', 'note-000600')
          .update({ expires_at: db.raw("now() - interval '1 second'") });
        await db('extension_storage_usage')
          .where({ tenant_id: busy.tenantId, install_id: busy.installId, namespace: 'notes' })
          .update({ keys: 5_120 });
        await createStorageRecordStore(db).put(busy, 'notes', { key: 'new', value });
      },
    },
    {
      name: 'records of an install without any',
      rows: 0,
      run: (db) => createStorageRecordStore(db).list({ ...usual, installId: idOf('nobody') }, 'notes'),
    },
  ];
}
