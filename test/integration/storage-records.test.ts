import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createInstallOperationStore } from '../../platform/db/install-operations.ts';
import {
  createStorageRecordStore,
  STORAGE_LIMITS,
  type StorageCaller,
  type StorageRecordStore,
} from '../../platform/db/storage-records.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { openInput, seedTenant, seedVersion } from '../support/seed.ts';

let database: TestDatabase;
let records: StorageRecordStore;
let owner: StorageCaller;

beforeAll(async () => {
  database = await createTestDatabase('storage_records');
  records = createStorageRecordStore(database.db);
});
afterAll(() => database.drop());
beforeEach(async () => {
  const { db } = database;
  const tenantId = await seedTenant(db);
  const { extensionId, versionId } = await seedVersion(db, tenantId, { publisher: tenantId });
  const installId = randomUUID();
  await createInstallOperationStore(db).open(tenantId, openInput({ installId, extensionId, versionId }));
  owner = { tenantId, installId, versionId };
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
      (await records.list(owner, 'notes', cursor)).map(({ key }) => key);
    expect(await keys()).toEqual(['B', 'a', 'a-1', 'a1', 'b', 'é']);
    expect(await keys('a-1')).toEqual(['a1', 'b', 'é']);
    expect(await keys('zzzz')).toEqual(['é']);
  });

  it('hold at most 100 records', async () => {
    await fill({ keys: 150 });
    const first = await records.list(owner, 'ns1', undefined);
    expect(first.length).toBe(100);
    expect((await records.list(owner, 'ns1', first.at(-1)?.key)).length).toBe(50);
  });
});

describe('owners', () => {
  it('see nothing of each other’s records', async () => {
    await put('a', 'mine');
    const other = { ...owner, installId: randomUUID() };
    await expect(records.get(other, 'notes', 'a')).rejects.toMatchObject({ code: 'STORAGE_MISSING' });
    await expect(records.remove(other, 'notes', 'a')).rejects.toMatchObject({ code: 'STORAGE_MISSING' });
    expect(await records.list(other, 'notes', undefined)).toEqual([]);
    const elsewhere = { ...owner, tenantId: randomUUID() };
    await expect(records.get(elsewhere, 'notes', 'a')).rejects.toMatchObject({ code: 'STORAGE_MISSING' });
  });

  it('without a grant, or with one that leaves the namespace out, are denied', async () => {
    await expect(records.checkGrant(owner, 'notes')).rejects.toMatchObject({
      code: 'CAPABILITY_NOT_GRANTED',
    });
    const { tenantId, installId } = owner;
    const grants = createInstallOperationStore(database.db);
    await grants.grant(
      tenantId,
      installId,
      [{ capability: 'storage.kv', scope: { namespaces: ['other'] } }],
      't',
    );
    await expect(records.checkGrant(owner, 'notes')).rejects.toMatchObject({
      code: 'CAPABILITY_NOT_GRANTED',
    });
    await grants.grant(tenantId, installId, [{ capability: 'storage.kv', scope: {} }], 't');
    await expect(records.checkGrant(owner, 'notes')).resolves.toBeUndefined();
  });

  it('are not opened to one version by the grants of another', async () => {
    const { tenantId, installId } = owner;
    const grants = createInstallOperationStore(database.db);
    await grants.grant(tenantId, installId, [{ capability: 'storage.kv', scope: {} }], 't');
    await expect(records.checkGrant({ ...owner, versionId: randomUUID() }, 'notes')).rejects.toMatchObject({
      code: 'CAPABILITY_NOT_GRANTED',
    });
  });
});
