import type { Knex } from 'knex';
import { PlatformError } from '../../core/errors.ts';
import { lockInstall, makeRoom, overLimit, STORAGE_LIMITS, type StorageOwner } from './storage-limits.ts';

/** Whether a record's time is not over. What has ended is answered by nothing, removed or not. */
export const LIVE = '(expires_at is null or expires_at > statement_timestamp())';

const INT64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
/** In the words of PostgreSQL too, where a question mark would be one of knex's. */
const COUNTER = /^(0|-{0,1}[1-9][0-9]{0,18})$/;
/** The number that a value says; null if it says none. Values that are too long for one are not read. */
const COUNT = `case when octet_length(value) <= 20 and encode(value, 'escape') ~ '${COUNTER.source}'
                    then encode(value, 'escape')::numeric end`;

export interface NewRecord {
  key: string;
  value: Buffer;
  /** The current one, 0 meaning that there is no record yet. */
  revision?: number | undefined;
  /** Without it the record stays, whatever the one before had. */
  ttlSeconds?: number | undefined;
}

export interface Increment {
  key: string;
  delta: bigint;
  /** For a counter that is not there. */
  initial?: bigint | undefined;
  ttlSeconds?: number | undefined;
}

/** A row that is there, though its time may be over. */
interface Found {
  key: string;
  revision: number;
  size: number;
  live: boolean;
  /** Of values that are short enough for a counter. */
  text: string | null;
}

/** Changes of records. */
export function createStorageWrites(db: Knex) {
  const records = (
    conn: Knex,
    { tenantId, installId }: StorageOwner,
    namespace: string,
    key: string,
  ): Knex.QueryBuilder =>
    conn('extension_storage_record')
      .where({ tenant_id: tenantId, install_id: installId, namespace, key })
      .whereRaw(LIVE);

  /** The common case in one statement: a record that is there and does not grow cannot pass any limit. */
  async function overwrite(
    owner: StorageOwner,
    namespace: string,
    { key, value, revision, ttlSeconds }: NewRecord,
  ): Promise<number | undefined> {
    const query = records(db, owner, namespace, key).whereRaw('octet_length(value) >= ?', [value.byteLength]);
    if (revision !== undefined) void query.where({ revision });
    const rows = (await query
      .options({ name: revision === undefined ? 'overwrite' : 'overwrite-revision' })
      .update({
        value,
        revision: nextRevision(db),
        updated_at: db.fn.now(),
        expires_at: db.raw("statement_timestamp() + ?::bigint * interval '1 second'", [ttlSeconds ?? null]),
      })
      .returning('revision')) as { revision: number }[];
    return rows[0]?.revision;
  }

  /** The same of a counter. */
  async function count(
    owner: StorageOwner,
    namespace: string,
    { key, delta }: Increment,
  ): Promise<bigint | undefined> {
    const counted = db.raw<{ rows: { sum: string }[] }>(
      `update extension_storage_record
          set value = convert_to((${COUNT} + :delta::numeric)::text, 'UTF8'),
              revision = nextval('extension_storage_revision'), updated_at = statement_timestamp()
        where tenant_id = :tenantId and install_id = :installId and namespace = :namespace and key = :key and ${LIVE}
          and ${COUNT} + :delta::numeric between :min::numeric and :max::numeric
          and octet_length((${COUNT} + :delta::numeric)::text) <= octet_length(value)
       returning convert_from(value, 'UTF8') as sum`,
      {
        ...ownerOf(owner),
        namespace,
        key,
        delta: String(delta),
        min: String(INT64.min),
        max: String(INT64.max),
      },
    );
    const { rows } = await counted.options({ name: 'count' });
    return rows[0] && BigInt(rows[0].sum);
  }

  async function currentRevision(owner: StorageOwner, namespace: string, key: string): Promise<number> {
    const row = (await records(db, owner, namespace, key).first('revision')) as
      { revision: number } | undefined;
    return row?.revision ?? 0;
  }

  /**
   * Whatever may grow an install's records waits its turn, so that two of them cannot pass a limit together. `decide` says what is written,
   * or throws; `keepEnds` leaves those that are there the end they have.
   */
  async function grow<Result>(
    owner: StorageOwner,
    namespace: string,
    keys: readonly string[],
    decide: (found: ReadonlyMap<string, Found>) => { write: NewRecord[]; keepEnds?: boolean; result: Result },
  ): Promise<{ revisions: number[]; result: Result }> {
    return db.transaction(async (trx) => {
      await lockInstall(trx, owner);
      const found = await lockRows(trx, owner, namespace, keys);
      const { write, keepEnds = false, result } = decide(found);
      await makeRoom(trx, owner, namespace, {
        written: keys,
        newKeys: write.filter(({ key }) => !found.has(key)).length,
        bytes: write.reduce((sum, { key, value }) => sum + value.byteLength - (found.get(key)?.size ?? 0), 0),
      });
      return { revisions: await upsert(trx, owner, namespace, write, keepEnds), result };
    });
  }

  function growBy(owner: StorageOwner, namespace: string, given: NewRecord[]): Promise<number[]> {
    const keys = given.map(({ key }) => key);
    const decided = grow(owner, namespace, keys, (found) => {
      for (const { key, revision } of given) {
        if (revision !== undefined && revision !== revisionOf(found.get(key))) throw conflict();
      }
      return { write: given, result: undefined };
    });
    return decided.then(({ revisions }) => revisions);
  }

  return {
    /** Answers the new revision. */
    async put(owner: StorageOwner, namespace: string, record: NewRecord): Promise<number> {
      refuseLarge([record]);
      const revision = await overwrite(owner, namespace, record);
      if (revision !== undefined) return revision;
      // Losing a race is common and must not queue for the lock that growing takes.
      if (
        record.revision !== undefined &&
        record.revision !== (await currentRevision(owner, namespace, record.key))
      ) {
        throw conflict();
      }
      const [grown] = (await growBy(owner, namespace, [record])) as [number];
      return grown;
    },

    /** All of them, of different keys, or none. Answers the new revisions in their order. */
    async putAll(owner: StorageOwner, namespace: string, given: NewRecord[]): Promise<number[]> {
      refuseLarge(given);
      return growBy(owner, namespace, given);
    },

    /** With a revision, that one alone. */
    async remove(owner: StorageOwner, namespace: string, key: string, revision?: number): Promise<void> {
      const query = records(db, owner, namespace, key);
      if (revision !== undefined) void query.where({ revision });
      if ((await query.delete()) > 0) return;
      if (revision === undefined || (await currentRevision(owner, namespace, key)) === 0) {
        throw missing(namespace, key);
      }
      throw conflict();
    },

    /** Answers whether each was there. */
    async removeAll(owner: StorageOwner, namespace: string, keys: string[]): Promise<boolean[]> {
      const { rows } = await db.raw<{ rows: { key: string }[] }>(
        `delete from extension_storage_record
          where tenant_id = :tenantId and install_id = :installId and namespace = :namespace
            and key in (select key from extension_storage_record
                         where tenant_id = :tenantId and install_id = :installId and namespace = :namespace
                           and key = any(:keys) and ${LIVE}
                         order by key for update)
         returning key`,
        { ...ownerOf(owner), namespace, keys },
      );
      const removed = new Set(rows.map(({ key }) => key));
      return keys.map((key) => removed.has(key));
    },

    /** Answers the sum. Throws STORAGE_NOT_A_COUNTER and STORAGE_OVERFLOW. */
    async increment(owner: StorageOwner, namespace: string, given: Increment): Promise<bigint> {
      const sum = await count(owner, namespace, given);
      if (sum !== undefined) return sum;
      const { key, delta, initial = 0n, ttlSeconds } = given;
      const grown = await grow(owner, namespace, [key], (found) => {
        const there = found.get(key);
        const result = (there?.live ? countOf(there) : initial) + delta;
        if (result < INT64.min || result > INT64.max) {
          throw new PlatformError('STORAGE_OVERFLOW', 'the sum does not fit into 64 bits');
        }
        const value = Buffer.from(String(result));
        return { write: [{ key, value, ttlSeconds }], keepEnds: there?.live ?? false, result };
      });
      return grown.result;
    },
  };
}

const ownerOf = ({ tenantId, installId }: StorageOwner): StorageOwner => ({ tenantId, installId });

/** In the order of their keys, as everything locks several. */
async function lockRows(
  trx: Knex,
  owner: StorageOwner,
  namespace: string,
  keys: readonly string[],
): Promise<Map<string, Found>> {
  const { rows } = await trx.raw<{ rows: Found[] }>(
    `select key, revision, octet_length(value) as size, ${LIVE} as live,
            case when octet_length(value) <= 20 then encode(value, 'escape') end as text
       from extension_storage_record
      where tenant_id = :tenantId and install_id = :installId and namespace = :namespace and key = any(:keys)
      order by key for update`,
    { ...ownerOf(owner), namespace, keys: [...keys] },
  );
  return new Map(rows.map((row) => [row.key, row]));
}

async function upsert(
  trx: Knex,
  owner: StorageOwner,
  namespace: string,
  write: readonly NewRecord[],
  keepEnds: boolean,
): Promise<number[]> {
  const { rows } = await trx.raw<{ rows: { key: string; revision: number }[] }>(
    `insert into extension_storage_record as r (tenant_id, install_id, namespace, key, value, revision, expires_at)
       select :tenantId::uuid, :installId::uuid, :namespace, key, value, nextval('extension_storage_revision'),
              statement_timestamp() + ttl * interval '1 second'
         from unnest(:keys::text[], :values::bytea[], :ttls::bigint[]) as given (key, value, ttl)
     on conflict (tenant_id, install_id, namespace, key) do update
        set value = excluded.value, revision = excluded.revision, updated_at = statement_timestamp(),
            expires_at = case when :keepEnds then r.expires_at else excluded.expires_at end,
            created_at = case when r.expires_at <= statement_timestamp() then statement_timestamp() else r.created_at end
     returning key, revision`,
    {
      ...ownerOf(owner),
      namespace,
      keys: write.map(({ key }) => key),
      values: write.map(({ value }) => value),
      ttls: write.map(({ ttlSeconds }) => ttlSeconds ?? null),
      keepEnds,
    },
  );
  const revisions = new Map(rows.map(({ key, revision }) => [key, revision]));
  return write.map(({ key }) => revisions.get(key) as number);
}

function refuseLarge(given: readonly NewRecord[]): void {
  if (given.some(({ value }) => value.byteLength > STORAGE_LIMITS.valueBytes)) {
    throw overLimit(`a value has at most ${STORAGE_LIMITS.valueBytes} bytes`);
  }
}

function revisionOf(found: Found | undefined): number {
  return found?.live ? found.revision : 0;
}

function countOf({ text }: Found): bigint {
  if (text === null || !COUNTER.test(text)) {
    throw new PlatformError(
      'STORAGE_NOT_A_COUNTER',
      "the record's value is not the decimal text of an integer",
    );
  }
  return BigInt(text);
}

/** Revisions come from one sequence, so that a record put again after it was deleted never has an earlier one's. */
function nextRevision(db: Knex): Knex.Raw {
  return db.raw("nextval('extension_storage_revision')");
}

export function missing(namespace: string, key: string): PlatformError {
  return new PlatformError('STORAGE_MISSING', `there is no record ${namespace}/${key}`);
}

function conflict(): PlatformError {
  return new PlatformError('STORAGE_CONFLICT', 'the revision given is not the current one');
}
