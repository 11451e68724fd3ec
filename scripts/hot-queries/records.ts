import { createStorageRecordStore } from '../../platform/db/storage-records.ts';
import { busy, everywhere, idOf, usual, type HotQuery } from './hot-query.ts';

const PAGE = 100;
const value = Buffer.alloc(200, 'v');

/** Records that guests keep; install 0-0 has 5,000 of them. */
export function recordQueries(): HotQuery[] {
  return [
    {
      name: 'record: is it granted',
      rows: 1,
      run: (db) =>
        createStorageRecordStore(db).checkGrant({ ...usual, versionId: everywhere.versionId }, 'notes'),
    },
    {
      name: 'record: get',
      rows: 1,
      run: (db) => createStorageRecordStore(db).get(busy, 'notes', 'note-000123'),
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
      run: (db) => createStorageRecordStore(db).list(busy, 'notes', undefined),
    },
    {
      name: 'records, later page',
      rows: PAGE,
      run: (db) => createStorageRecordStore(db).list(busy, 'notes', 'note-003000'),
    },
    {
      name: 'records of an install without any',
      rows: 0,
      run: (db) =>
        createStorageRecordStore(db).list({ ...usual, installId: idOf('nobody') }, 'notes', undefined),
    },
  ];
}
