import type { Knex } from 'knex';
import { PAGE_ENTRIES } from '../../core/api/host-storage.ts';
import { scopeAllows } from '../../core/capabilities.ts';
import { PlatformError } from '../../core/errors.ts';
import {
  executionEnded,
  HOST_PERMISSION,
  startOf,
  type HostCaller,
  type HostPermission,
} from './host-grants.ts';
import type { StorageOwner } from './storage-limits.ts';
import { createStorageWrites, LIVE, missing } from './storage-writes.ts';

/** Values of a piece of a list at most; several of the largest fit. */
const PIECE_BYTES = 256 * 1024;

export interface StorageRecord {
  key: string;
  value: Buffer;
  revision: number;
  /** When it ends; null if it does not. */
  expiresAt: Date | null;
}

/** Who asks. */
export type StorageCaller = HostCaller;

/** Records in the order that was asked for, and whether there are more after the last of them. */
export interface StoragePiece {
  records: StorageRecord[];
  more: boolean;
}

// Values are read of the rows that are answered alone: how long one is, is known without it.
const pieceOf = (rows: string): string => `
  select key, value, revision, expires_at as "expiresAt", among > count(*) over () as more
    from (select *, count(*) over () as among,
                 sum(octet_length(value)) over (order by place rows unbounded preceding) as upto
            from (${rows}) rows) counted
   where upto <= :bytes
   order by place`;

const LISTED = pieceOf(`
  select key, value, revision, expires_at, key as place from extension_storage_record
   where tenant_id = :tenantId and install_id = :installId and namespace = :namespace
     and key > :after and key >= :prefix and key ^@ :prefix and ${LIVE}
   order by key limit :limit`);

const NAMED = pieceOf(`
  select r.key, value, revision, expires_at, place
    from unnest(:keys::text[]) with ordinality as named (key, place)
    join extension_storage_record r
      on tenant_id = :tenantId and install_id = :installId and namespace = :namespace and r.key = named.key
   where ${LIVE}`);

export type StorageRecordStore = ReturnType<typeof createStorageRecordStore>;

/** Records that installs keep. Errors: STORAGE_MISSING, STORAGE_CONFLICT, STORAGE_LIMIT, CAPABILITY_NOT_GRANTED, EXECUTION_ENDED. */
export function createStorageRecordStore(db: Knex) {
  /** One row: what the caller may do, with `more` columns from `joined`. Named, so that a connection which plans once does. */
  async function permitted<More>(
    name: string,
    caller: StorageCaller,
    namespace: string,
    { more = '', joined = '', ...bindings }: { more?: string; joined?: string; key?: string } = {},
  ): Promise<More> {
    const asked = db.raw<{ rows: [HostPermission & More] }>(
      `select ${HOST_PERMISSION} ${more} from (select) one ${joined}`,
      { ...caller, ...bindings, namespace, capability: 'storage.kv', startedAt: startOf(caller) },
    );
    const { rows } = await asked.options({ name });
    const [row] = rows;
    if (!row.running) throw executionEnded();
    if (!row.scope || !scopeAllows(row.scope, 'namespaces', namespace)) throw notGranted(namespace);
    return row;
  }

  async function piece(
    sql: string,
    { tenantId, installId }: StorageOwner,
    bindings: Record<string, string | number | string[]>,
  ): Promise<StoragePiece> {
    const { rows } = await db.raw<{ rows: (StorageRecord & { more: boolean })[] }>(sql, {
      ...bindings,
      tenantId,
      installId,
      bytes: PIECE_BYTES,
    });
    return {
      records: rows.map(({ key, value, revision, expiresAt }) => ({ key, value, revision, expiresAt })),
      more: rows[0]?.more ?? false,
    };
  }

  return {
    ...createStorageWrites(db),

    /** Throws EXECUTION_ENDED, or CAPABILITY_NOT_GRANTED if the version has no storage grant, or one that leaves the namespace out. */
    async check(caller: StorageCaller, namespace: string): Promise<void> {
      await permitted('may-use-storage', caller, namespace);
    },

    /** Throws what `check` does: both are one statement. */
    async get(caller: StorageCaller, namespace: string, key: string): Promise<StorageRecord> {
      const { value, revision, expiresAt } = await permitted<
        Omit<StorageRecord, 'value'> & { value: Buffer | null }
      >('get-record', caller, namespace, {
        more: ', r.value, r.revision, r.expires_at as "expiresAt"',
        joined: `left join extension_storage_record r
          on r.tenant_id = :tenantId and r.install_id = :installId and r.namespace = :namespace and r.key = :key and ${LIVE}`,
        key,
      });
      if (value === null) throw missing(namespace, key);
      return { key, value, revision, expiresAt };
    },

    /** Those of the keys that are there, in their order; fewer if their values are large. */
    getAll(owner: StorageOwner, namespace: string, keys: string[]): Promise<StoragePiece> {
      return piece(NAMED, owner, { namespace, keys });
    },

    /**
     * Up to `limit` records after `after`, in the order of their keys' bytes; fewer than there are if their values are large. Whether there
     * are more is told up to that limit.
     */
    list(
      owner: StorageOwner,
      namespace: string,
      { after = '', limit = PAGE_ENTRIES }: { after?: string | undefined; limit?: number } = {},
    ): Promise<StoragePiece> {
      return piece(LISTED, owner, { namespace, after, limit, prefix: '' });
    },

    /** The same of keys that begin with a prefix. Whether there are more is told of all that there is. */
    async page(
      owner: StorageOwner,
      namespace: string,
      { prefix, after = '', limit }: { prefix: string; after?: string | undefined; limit: number },
    ): Promise<StoragePiece> {
      const { records, more } = await piece(LISTED, owner, { namespace, after, prefix, limit: limit + 1 });
      return { records: records.slice(0, limit), more: more || records.length > limit };
    },
  };
}

function notGranted(namespace: string): PlatformError {
  return new PlatformError(
    'CAPABILITY_NOT_GRANTED',
    `storage.kv is not granted for the namespace ${namespace}`,
  );
}
