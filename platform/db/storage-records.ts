import type { Knex } from 'knex';
import { PAGE_ENTRIES } from '../../core/api/host-storage.ts';
import { scopeAllows, type CapabilityScope } from '../../core/capabilities.ts';
import { PlatformError } from '../../core/errors.ts';
import { timeOfUuid } from '../../core/ids.ts';

export const STORAGE_LIMITS = {
  namespaces: 32,
  keysPerNamespace: 5_120,
  valueBytes: 64 * 1024,
  totalBytes: 256 * 1024 * 1024,
} as const;

/** Values of a piece of a list at most; several of the largest fit. */
const PIECE_BYTES = 256 * 1024;

export interface StorageRecord {
  key: string;
  value: Buffer;
  revision: number;
}

/** Whose records. */
export interface StorageOwner {
  tenantId: string;
  installId: string;
}

/** Who asks: grants are a version's, and end with the execution. */
export interface StorageCaller extends StorageOwner {
  versionId: string;
  executionId: string;
}

/** Records in the order of their keys' bytes, and whether there are more after the last of them, up to what was asked for. */
export interface StoragePiece {
  records: StorageRecord[];
  more: boolean;
}

interface Usage {
  namespaces: number;
  keys: number;
  total: number;
}

interface Permission {
  running: boolean;
  scope: CapabilityScope | null;
}

/** What a caller may do, in whatever statement asks. */
const PERMISSION = `
  exists (select from extension_execution_log
           where tenant_id = :tenantId and started_at = :startedAt and execution_id = :executionId
             and install_id = :installId and status = 'running') as running,
  (select case when n.grants is null
            then (select scope from tenant_extension_grant
                   where tenant_id = :tenantId and install_id = :installId and version_id = :versionId
                     and capability = 'storage.kv')
            else (select g->'scope' from jsonb_array_elements(n.grants) g where g->>'capability' = 'storage.kv') end
     -- What a version on its way will be granted, which is probed with it.
     from (select) as one left join tenant_extension_install_change n
       on n.tenant_id = :tenantId and n.install_id = :installId and n.to_version_id = :versionId and not n.switched
    where not exists (select from tenant
                       where tenant_id = :tenantId and 'storage.kv' = any(capabilities_off))) as scope`;

// Values are read of the rows that are answered alone: how long one is, is known without it.
const PIECE = `
  select key, value, revision, among > count(*) over () as more
    from (select key, value, revision, count(*) over () as among,
                 sum(octet_length(value)) over (order by key collate "C" rows unbounded preceding) as upto
            from (select key, value, revision from extension_storage_record
                   where tenant_id = :tenantId and install_id = :installId and namespace = :namespace
                     and key collate "C" > :after
                   order by key collate "C" limit :limit) page) counted
   where upto <= :bytes
   order by key collate "C"`;

export type StorageRecordStore = ReturnType<typeof createStorageRecordStore>;

/** Records that installs keep. Errors: STORAGE_MISSING, STORAGE_CONFLICT, STORAGE_LIMIT, CAPABILITY_NOT_GRANTED, EXECUTION_ENDED. */
export function createStorageRecordStore(db: Knex) {
  const records = (
    conn: Knex,
    { tenantId, installId }: StorageOwner,
    namespace: string,
    key: string,
  ): Knex.QueryBuilder =>
    conn('extension_storage_record').where({ tenant_id: tenantId, install_id: installId, namespace, key });

  /** The common case in one statement: a record that is there and does not grow cannot pass any limit. */
  async function overwrite(
    owner: StorageOwner,
    namespace: string,
    { key, value, revision }: NewRecord,
  ): Promise<number | undefined> {
    const query = records(db, owner, namespace, key).whereRaw('octet_length(value) >= ?', [value.byteLength]);
    if (revision !== undefined) void query.where({ revision });
    const rows = (await query
      .update({ value, revision: nextRevision(db), updated_at: db.fn.now() })
      .returning('revision')) as { revision: number }[];
    return rows[0]?.revision;
  }

  async function currentRevision(owner: StorageOwner, namespace: string, key: string): Promise<number> {
    const row = (await records(db, owner, namespace, key).first('revision')) as
      { revision: number } | undefined;
    return row?.revision ?? 0;
  }

  /** Whatever may grow an install's records waits its turn, so that two of them cannot pass a limit together. */
  async function grow(owner: StorageOwner, namespace: string, record: NewRecord): Promise<number> {
    return db.transaction(async (trx) => {
      await trx.raw('select pg_advisory_xact_lock(hashtextextended(?, 0))', [`storage:${owner.installId}`]);
      const { key, value, revision } = record;
      const found = (await records(trx, owner, namespace, key)
        .forUpdate()
        .first({ revision: 'revision', size: trx.raw('octet_length(value)') })) as
        { revision: number; size: number } | undefined;
      if (revision !== undefined && revision !== (found?.revision ?? 0)) throw conflict();
      refuseOverLimit(await usage(trx, owner, namespace), found?.size, value.byteLength);
      const [row] = (await trx('extension_storage_record')
        .insert({
          tenant_id: owner.tenantId,
          install_id: owner.installId,
          namespace,
          key,
          value,
          revision: nextRevision(trx),
        })
        .onConflict(['tenant_id', 'install_id', 'namespace', 'key'])
        .merge({
          value,
          revision: trx.raw('excluded.revision'),
          updated_at: trx.fn.now(),
        })
        .returning('revision')) as [{ revision: number }];
      return row.revision;
    });
  }

  /** One row: what the caller may do, with `more` columns from `joined`. */
  async function permitted<More>(
    { executionId, ...caller }: StorageCaller,
    namespace: string,
    { more = '', joined = '', ...bindings }: { more?: string; joined?: string; key?: string } = {},
  ): Promise<More> {
    const startedAt = timeOfUuid(executionId);
    if (!startedAt) throw executionEnded(); // an id that is none of ours
    const { rows } = await db.raw<{ rows: [Permission & More] }>(
      `select ${PERMISSION} ${more} from (select) one ${joined}`,
      { ...caller, ...bindings, namespace, executionId, startedAt },
    );
    const [row] = rows;
    if (!row.running) throw executionEnded();
    if (!row.scope || !scopeAllows(row.scope, 'namespaces', namespace)) throw notGranted(namespace);
    return row;
  }

  return {
    /** Throws EXECUTION_ENDED, or CAPABILITY_NOT_GRANTED if the version has no storage grant, or one that leaves the namespace out. */
    async check(caller: StorageCaller, namespace: string): Promise<void> {
      await permitted(caller, namespace);
    },

    /** Throws what `check` does: both are one statement. */
    async get(caller: StorageCaller, namespace: string, key: string): Promise<StorageRecord> {
      const { value, revision } = await permitted<{ value: Buffer | null; revision: number }>(
        caller,
        namespace,
        {
          more: ', r.value, r.revision',
          joined: `left join extension_storage_record r
          on r.tenant_id = :tenantId and r.install_id = :installId and r.namespace = :namespace and r.key = :key`,
          key,
        },
      );
      if (value === null) throw missing(namespace, key);
      return { key, value, revision };
    },

    /** A given revision must be the current one, 0 meaning that there is no record yet. Answers the new revision. */
    async put(owner: StorageOwner, namespace: string, record: NewRecord): Promise<number> {
      if (record.value.byteLength > STORAGE_LIMITS.valueBytes) {
        throw overLimit(`a value has at most ${STORAGE_LIMITS.valueBytes} bytes`);
      }
      const revision = await overwrite(owner, namespace, record);
      if (revision !== undefined) return revision;
      // Losing a race is common and must not queue for the lock that growing takes.
      if (
        record.revision !== undefined &&
        record.revision !== (await currentRevision(owner, namespace, record.key))
      ) {
        throw conflict();
      }
      return grow(owner, namespace, record);
    },

    async remove(owner: StorageOwner, namespace: string, key: string): Promise<void> {
      const deleted = await records(db, owner, namespace, key).delete();
      if (deleted === 0) throw missing(namespace, key);
    },

    /** Up to `limit` records after `after`, in the order of their keys' bytes; fewer than there are if their values are large. */
    async list(
      owner: StorageOwner,
      namespace: string,
      { after = '', limit = PAGE_ENTRIES }: { after?: string | undefined; limit?: number } = {},
    ): Promise<StoragePiece> {
      const { tenantId, installId } = owner;
      const { rows } = await db.raw<{ rows: (StorageRecord & { more: boolean })[] }>(PIECE, {
        tenantId,
        installId,
        namespace,
        after,
        limit,
        bytes: PIECE_BYTES,
      });
      return {
        records: rows.map(({ key, value, revision }) => ({ key, value, revision })),
        more: rows[0]?.more ?? false,
      };
    },
  };
}

export interface NewRecord {
  key: string;
  value: Buffer;
  revision?: number | undefined;
}

/** From the counters that triggers keep: at most a row for each namespace. */
async function usage(trx: Knex, { tenantId, installId }: StorageOwner, namespace: string): Promise<Usage> {
  const counted = (await trx('extension_storage_usage')
    .where({ tenant_id: tenantId, install_id: installId })
    .select('namespace', 'keys', 'bytes')) as { namespace: string; keys: number; bytes: number }[];
  const own = counted.find((row) => row.namespace === namespace);
  return {
    namespaces: counted.length - (own ? 1 : 0),
    keys: own?.keys ?? 0,
    total: counted.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** Revisions come from one sequence, so that a record put again after it was deleted never has an earlier one's. */
function nextRevision(db: Knex): Knex.Raw {
  return db.raw("nextval('extension_storage_revision')");
}

/** `namespaces` counts the others, `before` is the size of the record that is replaced. */
function refuseOverLimit(
  { namespaces, keys, total }: Usage,
  before: number | undefined,
  after: number,
): void {
  if (keys === 0 && namespaces >= STORAGE_LIMITS.namespaces) {
    throw overLimit(`an install has at most ${STORAGE_LIMITS.namespaces} namespaces`);
  }
  if (before === undefined && keys >= STORAGE_LIMITS.keysPerNamespace) {
    throw overLimit(`a namespace has at most ${STORAGE_LIMITS.keysPerNamespace} keys`);
  }
  if (total - (before ?? 0) + after > STORAGE_LIMITS.totalBytes) {
    throw overLimit(`the values of an install have at most ${STORAGE_LIMITS.totalBytes} bytes together`);
  }
}

function missing(namespace: string, key: string): PlatformError {
  return new PlatformError('STORAGE_MISSING', `there is no record ${namespace}/${key}`);
}

function executionEnded(): PlatformError {
  return new PlatformError('EXECUTION_ENDED', 'the execution has ended, or was never begun');
}

function notGranted(namespace: string): PlatformError {
  return new PlatformError(
    'CAPABILITY_NOT_GRANTED',
    `storage.kv is not granted for the namespace ${namespace}`,
  );
}

function conflict(): PlatformError {
  return new PlatformError('STORAGE_CONFLICT', 'the revision given is not the current one');
}

function overLimit(message: string): PlatformError {
  return new PlatformError('STORAGE_LIMIT', message);
}
