import type { Knex } from 'knex';
import { LIVE } from './storage-writes.ts';

/** Records of a page: at their largest, two megabytes. */
const PAGE = 32;

export interface ExportedRecord {
  namespace: string;
  key: string;
  value: Buffer;
  revision: number;
  createdAt: Date;
  updatedAt: Date;
  expiresAt: Date | null;
}

export type StorageExportStore = ReturnType<typeof createStorageExportStore>;

/** An install's records for whoever takes them away. */
export function createStorageExportStore(db: Knex) {
  return {
    /** A page after a record; empty at the end. Pages are not of one moment: what is written meanwhile may be in none. */
    async page(
      tenantId: string,
      installId: string,
      after?: Pick<ExportedRecord, 'namespace' | 'key'>,
    ): Promise<ExportedRecord[]> {
      const query = db('extension_storage_record')
        .where({ tenant_id: tenantId, install_id: installId })
        .whereRaw(LIVE)
        .orderBy(['namespace', 'key'])
        .limit(PAGE)
        .select('namespace', 'key', 'value', 'revision', {
          createdAt: 'created_at',
          updatedAt: 'updated_at',
          expiresAt: 'expires_at',
        });
      if (after) void query.whereRaw('(namespace, key) > (?, ?)', [after.namespace, after.key]);
      return (await query) as ExportedRecord[];
    },
  };
}
