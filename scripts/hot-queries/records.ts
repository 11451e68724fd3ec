import type { Knex } from 'knex';
import { createStorageRecordStore, type StorageCaller } from '../../platform/db/storage-records.ts';
import { beginExecution, busy, idOf, usual, type HotQuery } from './hot-query.ts';

const PAGE = 100;
const value = Buffer.alloc(200, 'v');

/** Records that guests keep; install 0-0 has 5,000 of them. */
export function recordQueries(): HotQuery[] {
  const callerIn = async (db: Knex): Promise<StorageCaller> => ({
    ...busy,
    versionId: idOf('version-0-0'),
    executionId: await beginExecution(db, busy),
  });
  return [
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
      name: 'records of an install without any',
      rows: 0,
      run: (db) => createStorageRecordStore(db).list({ ...usual, installId: idOf('nobody') }, 'notes'),
    },
  ];
}
