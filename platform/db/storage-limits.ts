import type { Knex } from 'knex';
import { PlatformError } from '../../core/errors.ts';

/** Of one install. */
export const STORAGE_LIMITS = {
  namespaces: 32,
  keysPerNamespace: 5_120,
  valueBytes: 64 * 1024,
  totalBytes: 256 * 1024 * 1024,
} as const;

/** Records that are over, removed at once where an install is full: a write waits no longer for it than for a large page. */
const MAKE_ROOM = 500;

/** Whose records. */
export interface StorageOwner {
  tenantId: string;
  installId: string;
}

/** What a write adds to a namespace. */
export interface Growth {
  /** Of those that are written: nothing is removed of them here. */
  written: readonly string[];
  /** Those that are not there. */
  newKeys: number;
  /** Less what is replaced. */
  bytes: number;
}

/**
 * Refuses what is over a limit. Records whose time is over count for as long as they are there, so some of them are removed first. Only
 * within a transaction that holds the install's lock.
 */
export async function makeRoom(
  trx: Knex,
  owner: StorageOwner,
  namespace: string,
  growth: Growth,
): Promise<void> {
  const excess = await excessOf(trx, owner, namespace, growth);
  if (excess === undefined) return;
  const removed = await removeExpired(trx, owner, {
    keep: { namespace, keys: growth.written },
    ...(excess.within !== undefined && { within: excess.within }),
  });
  const left = removed > 0 ? await excessOf(trx, owner, namespace, growth) : excess;
  if (left) throw overLimit(left.message);
}

/** Removes some of an install's records whose time is over, and answers how many. Only within a transaction that holds its lock. */
export async function removeExpired(
  trx: Knex,
  { tenantId, installId }: StorageOwner,
  {
    keep = { namespace: '', keys: [] },
    within,
  }: { keep?: { namespace: string; keys: readonly string[] }; within?: string } = {},
): Promise<number> {
  const { rows } = await trx.raw<{ rows: [{ removed: number }] }>(
    `with removed as (
       delete from extension_storage_record where ctid = any(array(
         select ctid from extension_storage_record
          where tenant_id = :tenantId and install_id = :installId and expires_at <= statement_timestamp()
            and not (namespace = :namespace and key = any(:keys))
            ${within === undefined ? '' : 'and namespace = :within'}
          limit :limit for update skip locked))
       returning 1)
     select count(*)::int as removed from removed`,
    {
      tenantId,
      installId,
      namespace: keep.namespace,
      keys: [...keep.keys],
      limit: MAKE_ROOM,
      ...(within !== undefined && { within }),
    },
  );
  return rows[0].removed;
}

/** Held by whatever may grow an install's records, and whatever removes many of them, until its transaction ends. */
export async function lockInstall(trx: Knex, { installId }: Pick<StorageOwner, 'installId'>): Promise<void> {
  await trx.raw('select pg_advisory_xact_lock(hashtextextended(?, 0))', [`storage:${installId}`]);
}

interface Excess {
  message: string;
  /** The namespace that alone is full. */
  within?: string;
}

/** From the counters that triggers keep: at most a row for each namespace. */
async function excessOf(
  trx: Knex,
  { tenantId, installId }: StorageOwner,
  namespace: string,
  { newKeys, bytes }: Growth,
): Promise<Excess | undefined> {
  const counted = (await trx('extension_storage_usage')
    .where({ tenant_id: tenantId, install_id: installId })
    .select('namespace', 'keys', 'bytes')) as { namespace: string; keys: number; bytes: number }[];
  const own = counted.find((row) => row.namespace === namespace);
  const total = counted.reduce((sum, row) => sum + row.bytes, 0);
  if (newKeys > 0 && !own && counted.length >= STORAGE_LIMITS.namespaces) {
    return { message: `an install has at most ${STORAGE_LIMITS.namespaces} namespaces` };
  }
  if (newKeys > 0 && (own?.keys ?? 0) + newKeys > STORAGE_LIMITS.keysPerNamespace) {
    return {
      message: `a namespace has at most ${STORAGE_LIMITS.keysPerNamespace} keys`,
      within: namespace,
    };
  }
  if (total + bytes > STORAGE_LIMITS.totalBytes) {
    return {
      message: `the values of an install have at most ${STORAGE_LIMITS.totalBytes} bytes together`,
    };
  }
  return undefined;
}

export function overLimit(message: string): PlatformError {
  return new PlatformError('STORAGE_LIMIT', message);
}
