import { randomUUID, randomUUIDv7 } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createExecutionStore } from '../../platform/db/executions.ts';
import { SecretValue } from '../../core/secret-value.ts';
import { openDatabase } from '../../platform/db/database.ts';
import { createInstallOperationStore } from '../../platform/db/install-operations.ts';
import {
  createStorageRecordStore,
  type StorageCaller,
  type StorageRecordStore,
} from '../../platform/db/storage-records.ts';
import { STORAGE_LIMITS } from '../../platform/db/storage-limits.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { seedExecution } from '../support/seed.ts';
import { seedStorageOwner } from '../support/storage-site.ts';

let database: TestDatabase;
let records: StorageRecordStore;
let owner: StorageCaller;

beforeAll(async () => {
  database = await createTestDatabase('storage_records');
  records = createStorageRecordStore(database.db);
});
afterAll(() => database.drop());
beforeEach(async () => {
  owner = await seedStorageOwner(database.db);
});

const value = (text: string): Buffer => Buffer.from(text);
const put = (key: string, text: string, revision?: number): Promise<number> =>
  records.put(owner, 'notes', { key, value: value(text), revision });

/** Fills the install's storage without going through the store. */
async function fill({ namespaces = 1, keys = 1, bytes = 1 }): Promise<void> {
  await database.db.raw(
    `insert into extension_storage_record (tenant_id, install_id, namespace, key, value, revision)
     select ?, ?, 'ns' || n, 'key' || k, convert_to(repeat('x', ?), 'UTF8'), 1
     from generate_series(1, ?) n, generate_series(1, ?) k`,
    [owner.tenantId, owner.installId, bytes, namespaces, keys],
  );
}

describe('revisions', () => {
  it('rise with every put, whether the value grows or shrinks', async () => {
    const first = await put('a', 'one');
    const second = await put('a', 'something longer');
    const third = await put('a', '');
    expect(second).toBeGreaterThan(first);
    expect(third).toBeGreaterThan(second);
    expect((await records.get(owner, 'notes', 'a')).revision).toBe(third);
  });

  it('that are given must be current', async () => {
    const first = await put('a', 'one');
    await put('a', 'two', first);
    await expect(put('a', 'six', first)).rejects.toMatchObject({ code: 'STORAGE_CONFLICT' });
    await expect(put('a', 'a longer value', first)).rejects.toMatchObject({ code: 'STORAGE_CONFLICT' });
    expect((await records.get(owner, 'notes', 'a')).value.toString()).toBe('two');
  });

  it('of 0 create and never overwrite, and others never create', async () => {
    await put('a', 'one', 0);
    await expect(put('a', 'two', 0)).rejects.toMatchObject({ code: 'STORAGE_CONFLICT' });
    await expect(put('b', 'one', 1)).rejects.toMatchObject({ code: 'STORAGE_CONFLICT' });
  });

  it('of a record that was deleted never come back', async () => {
    const stale = await put('a', 'one');
    await records.remove(owner, 'notes', 'a');
    await put('a', 'another');
    await expect(put('a', 'lost', stale)).rejects.toMatchObject({ code: 'STORAGE_CONFLICT' });
  });

  it('let exactly one of many writers through', async () => {
    const current = await put('a', 'x');
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, (_, n) => put('a', `value ${n}`, current)),
    );
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(1);
    const created = await Promise.allSettled(Array.from({ length: 8 }, () => put('new', 'x', 0)));
    expect(created.filter(({ status }) => status === 'fulfilled').length).toBe(1);
  });

  it('differ for all of many puts without one', async () => {
    const revisions = await Promise.all(Array.from({ length: 20 }, (_, n) => put('counter', String(n))));
    expect(new Set(revisions).size).toBe(20);
    expect((await records.get(owner, 'notes', 'counter')).revision).toBe(Math.max(...revisions));
  });
});

describe('limits', () => {
  it('hold for the size of a value', async () => {
    const largest = Buffer.alloc(STORAGE_LIMITS.valueBytes);
    expect(await records.put(owner, 'notes', { key: 'a', value: largest })).toBeGreaterThan(0);
    const larger = Buffer.alloc(STORAGE_LIMITS.valueBytes + 1);
    await expect(records.put(owner, 'notes', { key: 'a', value: larger })).rejects.toMatchObject({
      code: 'STORAGE_LIMIT',
    });
  });

  it('hold for namespaces, while those there still take records', async () => {
    await fill({ namespaces: STORAGE_LIMITS.namespaces });
    await expect(put('a', 'x')).rejects.toMatchObject({ code: 'STORAGE_LIMIT' });
    expect(await records.put(owner, 'ns1', { key: 'new', value: value('x') })).toBeGreaterThan(0);
  });

  it('hold for keys of a namespace, while those there can still be changed', async () => {
    await fill({ keys: STORAGE_LIMITS.keysPerNamespace });
    const write = (key: string) => records.put(owner, 'ns1', { key, value: value('longer than before') });
    await expect(write('one more')).rejects.toMatchObject({ code: 'STORAGE_LIMIT' });
    expect(await write('key1')).toBeGreaterThan(0);
    await records.remove(owner, 'ns1', 'key2');
    expect(await write('one more')).toBeGreaterThan(0);
  });

  it('hold for all values together, also when many grow at once', async () => {
    const room = 3;
    await fill({
      keys: STORAGE_LIMITS.totalBytes / STORAGE_LIMITS.valueBytes - room,
      bytes: STORAGE_LIMITS.valueBytes,
    });
    const full = Buffer.alloc(STORAGE_LIMITS.valueBytes);
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, (_, n) => records.put(owner, 'notes', { key: `k${n}`, value: full })),
    );
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(room);
    const refused = results.filter((result) => result.status === 'rejected');
    for (const { reason } of refused) expect(reason).toMatchObject({ code: 'STORAGE_LIMIT' });
  });
});

describe('counters', () => {
  it('agree with the records after many changes at once, and go with the last record of a namespace', async () => {
    const { db } = database;
    const keys = ['a', 'b', 'c'];
    const change = async (n: number): Promise<void> => {
      const namespace = `ns${n % 2}`;
      const key = keys[n % keys.length] ?? '';
      if (n % 4 === 3) await records.remove(owner, namespace, key);
      else await records.put(owner, namespace, { key, value: Buffer.alloc((n * 37) % 500) });
    };
    // Removing what is not there is refused, and counts nothing.
    await Promise.allSettled(Array.from({ length: 200 }, (_, n) => change(n)));
    const own = { tenant_id: owner.tenantId, install_id: owner.installId };
    const counted = await db('extension_storage_usage')
      .where(own)
      .orderBy('namespace')
      .select('namespace', 'keys', 'bytes');
    const there = await db('extension_storage_record')
      .where(own)
      .groupBy('namespace')
      .orderBy('namespace')
      .select('namespace', { keys: db.raw('count(*)'), bytes: db.raw('sum(octet_length(value))::bigint') });
    expect(there.length).toBeGreaterThan(0);
    expect(counted).toEqual(there);

    await db('extension_storage_record').where(own).delete();
    expect(await db('extension_storage_usage').where(own)).toEqual([]);
  });

  it('leave nothing of namespaces that came and went', async () => {
    for (let n = 0; n < 3 * STORAGE_LIMITS.namespaces; n += 1) {
      await records.put(owner, `ns${n}`, { key: 'a', value: value('x') });
      await records.remove(owner, `ns${n}`, 'a');
    }
    expect(await database.db('extension_storage_usage').where({ install_id: owner.installId })).toEqual([]);
  });
});

describe('lists', () => {
  it('page in the order of the keys’ bytes', async () => {
    for (const key of ['b', 'a', 'B', 'é', 'a-1', 'a1']) await put(key, key);
    const keys = async (cursor?: string) =>
      (await records.list(owner, 'notes', { after: cursor })).records.map(({ key }) => key);
    expect(await keys()).toEqual(['B', 'a', 'a-1', 'a1', 'b', 'é']);
    expect(await keys('a-1')).toEqual(['a1', 'b', 'é']);
    expect(await keys('zzzz')).toEqual(['é']);
  });

  it('hold at most 100 records, or fewer that are asked for', async () => {
    await fill({ keys: 150 });
    const first = await records.list(owner, 'ns1');
    expect(first).toMatchObject({ more: false });
    expect(first.records.length).toBe(100);
    const after = first.records.at(-1)?.key;
    expect((await records.list(owner, 'ns1', { after })).records.length).toBe(50);
    expect(await records.list(owner, 'ns1', { after, limit: 2 })).toMatchObject({
      records: [{ key: 'key54' }, { key: 'key55' }],
      more: false,
    });
  });

  it('come in pieces of at most 256 KiB where values are large, and tell whether there is more', async () => {
    await fill({ keys: 30, bytes: STORAGE_LIMITS.valueBytes });
    await records.put(owner, 'ns1', { key: 'key2', value: value('small') });
    const all: string[] = [];
    const sizes: number[] = [];
    for (let more = true; more;) {
      const piece = await records.list(owner, 'ns1', { after: all.at(-1) });
      expect(piece.records.length).toBeGreaterThan(0);
      sizes.push(piece.records.reduce((sum, record) => sum + record.value.byteLength, 0));
      all.push(...piece.records.map(({ key }) => key));
      more = piece.more;
    }
    expect(all).toEqual(Array.from({ length: 30 }, (_, n) => `key${n + 1}`).sort());
    expect(Math.max(...sizes)).toBeLessThanOrEqual(256 * 1024);
    expect(sizes.length).toBeLessThan(15);
  });

  it('read the values that they answer from disk, and no others', async () => {
    // Values that do not compress lie in pages of their own.
    await database.db.raw(
      `insert into extension_storage_record (tenant_id, install_id, namespace, key, value, revision)
       select ?, ?, 'notes', 'key' || k,
         (select string_agg(sha512(convert_to(k || '-' || n, 'UTF8')), '') from generate_series(1, 1024) n), 1
       from generate_series(1, 100) k`,
      [owner.tenantId, owner.installId],
    );
    await database.db.raw('vacuum analyze extension_storage_record');
    // PostgreSQL counts for each connection, and tells when that says so.
    const single = openDatabase({ url: new SecretValue(database.url), poolMax: 1 });
    try {
      const pagesRead = async (): Promise<number> => {
        await single.raw('select pg_stat_force_next_flush()');
        const { rows } = await single.raw<{ rows: [{ pages: number }] }>(
          `select (toast_blks_hit + toast_blks_read)::int as pages
             from pg_statio_user_tables where relname = 'extension_storage_record'`,
        );
        return rows[0].pages;
      };
      const before = await pagesRead();
      const { records: piece } = await createStorageRecordStore(single).list(owner, 'notes');
      const bytes = piece.reduce((sum, record) => sum + record.value.byteLength, 0);
      const read = ((await pagesRead()) - before) * 8 * 1024;
      expect(read).toBeGreaterThan(bytes);
      expect(read).toBeLessThan(2 * bytes);
    } finally {
      await single.destroy();
    }
  });
});

describe('owners', () => {
  it('see nothing of each other’s records', async () => {
    await put('a', 'mine');
    const other = { ...owner, installId: randomUUID() };
    await expect(records.remove(other, 'notes', 'a')).rejects.toMatchObject({ code: 'STORAGE_MISSING' });
    expect((await records.list(other, 'notes')).records).toEqual([]);
    const elsewhere = { ...owner, tenantId: randomUUID() };
    expect((await records.list(elsewhere, 'notes')).records).toEqual([]);
    // An execution opens no other install, and none of another tenant.
    for (const caller of [other, elsewhere]) {
      await expect(records.get(caller, 'notes', 'a')).rejects.toMatchObject({ code: 'EXECUTION_ENDED' });
    }
  });
});

describe('a caller', () => {
  const grant = async (scope: Record<string, string[]> | undefined): Promise<void> => {
    const { tenantId, installId } = owner;
    const grants = scope === undefined ? [] : [{ capability: 'storage.kv' as const, scope }];
    await createInstallOperationStore(database.db).grant(tenantId, installId, grants, 't');
  };
  const refused = async (caller: StorageCaller, code: string): Promise<void> => {
    await expect(records.check(caller, 'notes')).rejects.toMatchObject({ code });
    await expect(records.get(caller, 'notes', 'a')).rejects.toMatchObject({ code });
  };
  beforeEach(async () => {
    await put('a', 'one');
  });

  it('reads what is there, and is told what is missing', async () => {
    await expect(records.check(owner, 'notes')).resolves.toBeUndefined();
    expect((await records.get(owner, 'notes', 'a')).value.toString()).toBe('one');
    await expect(records.get(owner, 'notes', 'b')).rejects.toMatchObject({ code: 'STORAGE_MISSING' });
  });

  it('without a grant, or with one that leaves the namespace out, is denied', async () => {
    await grant(undefined);
    await refused(owner, 'CAPABILITY_NOT_GRANTED');
    await grant({ namespaces: ['other'] });
    await refused(owner, 'CAPABILITY_NOT_GRANTED');
    await grant({ namespaces: ['other', 'notes'] });
    expect((await records.get(owner, 'notes', 'a')).value.toString()).toBe('one');
  });

  it('is not opened to one version by the grants of another', async () => {
    await refused({ ...owner, versionId: randomUUID() }, 'CAPABILITY_NOT_GRANTED');
  });

  it('is refused once its execution has ended, and if nobody began it', async () => {
    for (const executionId of [randomUUIDv7(), randomUUID()]) {
      await refused({ ...owner, executionId }, 'EXECUTION_ENDED');
    }
    const executions = createExecutionStore(database.db);
    for (const status of ['succeeded', 'interrupted'] as const) {
      const { tenantId, installId, versionId } = owner;
      const install = { installId, versionId, extensionId: randomUUID() };
      const executionId = await seedExecution(database.db, tenantId, install);
      await expect(records.check({ ...owner, executionId }, 'notes')).resolves.toBeUndefined();
      await executions.end(tenantId, executionId, {
        status,
        httpStatus: 200,
        durationMs: 1,
        responseBytes: 0,
      });
      await refused({ ...owner, executionId }, 'EXECUTION_ENDED');
    }
  });
});
