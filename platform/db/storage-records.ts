import type { Knex } from 'knex';
import { scopeAllows, type CapabilityScope } from '../../core/capabilities.ts';
import { PlatformError } from '../../core/errors.ts';

export const STORAGE_LIMITS = {
  namespaces: 32,
  keysPerNamespace: 5_120,
  valueBytes: 64 * 1024,
  totalBytes: 256 * 1024 * 1024,
} as const;

const PAGE_SIZE = 100;

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

/** Which version of it asks: grants are a version's. */
export interface StorageCaller extends StorageOwner {
  versionId: string;
}

interface RecordRow {
  key: string;
  value: Buffer;
  revision: number;
}

interface Usage {
  namespaces: number;
  keys: number;
  total: number;
}

export type StorageRecordStore = ReturnType<typeof createStorageRecordStore>;

/** Records that installs keep. Errors: STORAGE_MISSING, STORAGE_CONFLICT, STORAGE_LIMIT, CAPABILITY_NOT_GRANTED. */
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

  return {
    /** Throws CAPABILITY_NOT_GRANTED if the version has no storage grant, or one that leaves the namespace out. */
    async checkGrant({ tenantId, installId, versionId }: StorageCaller, namespace: string): Promise<void> {
      const grant = (await db('tenant_extension_grant')
        .where({
          tenant_id: tenantId,
          install_id: installId,
          version_id: versionId,
          capability: 'storage.kv',
        })
        .first('scope')) as { scope: CapabilityScope } | undefined;
      if (!grant || !scopeAllows(grant.scope, 'namespaces', namespace)) {
        throw new PlatformError(
          'CAPABILITY_NOT_GRANTED',
          `storage.kv is not granted for the namespace ${namespace}`,
        );
      }
    },

    async get(owner: StorageOwner, namespace: string, key: string): Promise<StorageRecord> {
      const row = (await records(db, owner, namespace, key).first('key', 'value', 'revision')) as
        RecordRow | undefined;
      if (!row) throw missing(namespace, key);
      return row;
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

    /** Up to 100 records after `cursor`, in the order of their keys' bytes. */
    async list(
      { tenantId, installId }: StorageOwner,
      namespace: string,
      cursor: string | undefined,
    ): Promise<StorageRecord[]> {
      const query = db('extension_storage_record')
        .where({ tenant_id: tenantId, install_id: installId, namespace })
        .orderByRaw('key collate "C"')
        .limit(PAGE_SIZE)
        .select('key', 'value', 'revision');
      if (cursor !== undefined) void query.whereRaw('key collate "C" > ?', [cursor]);
      return (await query) as RecordRow[];
    },
  };
}

interface NewRecord {
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

function conflict(): PlatformError {
  return new PlatformError('STORAGE_CONFLICT', 'the revision given is not the current one');
}

function overLimit(message: string): PlatformError {
  return new PlatformError('STORAGE_LIMIT', message);
}
