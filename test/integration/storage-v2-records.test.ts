import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createStorageExportStore } from '../../platform/db/storage-export.ts';
import { STORAGE_LIMITS } from '../../platform/db/storage-limits.ts';
import { eventually } from '../support/eventually.ts';
import { createStorageSite, NAMESPACE, record, type StorageSite } from '../support/storage-site.ts';

const MAX = 2n ** 63n - 1n;
const MIN = -(2n ** 63n);

let site: StorageSite;
beforeAll(async () => {
  site = await createStorageSite('storage_v2_records');
});
afterAll(() => site.close());
beforeEach(() => site.change());

describe('a counter', () => {
  it('begins with what it is told or 0, and its value is the decimal text', async () => {
    expect(await site.increment('a')).toBe(1n);
    expect(await site.increment('a', { delta: 41n, initial: 1_000n })).toBe(42n);
    expect(await site.increment('b', { delta: -3n, initial: -4n })).toBe(-7n);
    expect([await site.read('a'), await site.read('b')]).toEqual(['42', '-7']);
    await site.put('a', '99');
    expect(await site.increment('a')).toBe(100n);
  });

  it('that many count up at once holds the sum, and each is told another', async () => {
    const ones = await Promise.all(Array.from({ length: 120 }, () => site.increment('a')));
    expect(ones.sort((a, b) => Number(a - b))).toEqual(
      Array.from({ length: 120 }, (_none, n) => BigInt(n + 1)),
    );
    const deltas = Array.from({ length: 60 }, (_none, n) => BigInt((n % 7) - 3) * 1_000n);
    await Promise.all(deltas.map((delta) => site.increment('b', { delta })));
    expect(await site.read('b')).toBe(String(deltas.reduce((sum, delta) => sum + delta)));
  });

  it('ends where 64 bits do, and is as it was', async () => {
    await site.put('a', String(MAX - 1n));
    expect(await site.increment('a')).toBe(MAX);
    await expect(site.increment('a')).rejects.toMatchObject({ code: 'STORAGE_OVERFLOW' });
    expect(await site.increment('a', { delta: MIN })).toBe(-1n);
    expect(await site.increment('a', { delta: MIN + 1n })).toBe(MIN);
    await expect(site.increment('a', { delta: -1n })).rejects.toMatchObject({ code: 'STORAGE_OVERFLOW' });
    expect(await site.read('a')).toBe(String(MIN));
    await expect(site.increment('new', { delta: MAX, initial: 1n })).rejects.toMatchObject({
      code: 'STORAGE_OVERFLOW',
    });
    await expect(site.read('new')).rejects.toMatchObject({ code: 'STORAGE_MISSING' });
  });

  it.each([
    '',
    ' 1',
    '1 ',
    '+1',
    '-0',
    '007',
    '1.5',
    '1e3',
    '0x10',
    '٣',
    '1\n',
    '99999999999999999999',
    'x'.repeat(60_000),
  ])('is none whose value is %j', async (text) => {
    await site.put('a', text);
    await expect(site.increment('a')).rejects.toMatchObject({ code: 'STORAGE_NOT_A_COUNTER' });
    expect(await site.read('a')).toBe(text);
  });

  it('leaves one row behind, in its page, however often it was counted', async () => {
    await site.increment('a', { initial: 1_000_000n });
    const pages = async (): Promise<number> => {
      const { rows } = await site.db.raw<{ rows: [{ pages: number }] }>(
        "select pg_relation_size('extension_storage_record')::int / 8192 as pages",
      );
      return rows[0].pages;
    };
    // Whoever has a transaction open, in another database too, keeps versions of the row alive meanwhile: until they have ended.
    await eventually(async () => {
      const before = await pages();
      for (let n = 0; n < 1_000; n += 1) await site.increment('a');
      expect((await pages()) - before).toBeLessThanOrEqual(1);
    });
    expect(await site.count()).toBe(1);
  });

  it('keeps the end it began with', async () => {
    await site.increment('a', { initial: 0n, ttlSeconds: 100 });
    const { expiresAt } = await site.records.get(site.owner, NAMESPACE, 'a');
    expect(expiresAt).toBeInstanceOf(Date);
    for (let n = 0; n < 10; n += 1) await site.increment('a', { initial: 0n, ttlSeconds: 9_000 }); // 9 to 10: it grows
    expect(await site.records.get(site.owner, NAMESPACE, 'a')).toMatchObject({
      expiresAt,
      value: Buffer.from('11'),
    });
  });

  it('whose time is over begins anew', async () => {
    await site.increment('a', { initial: 50n, ttlSeconds: 100 });
    await site.end('a');
    expect(await site.increment('a')).toBe(1n);
    expect((await site.records.get(site.owner, NAMESPACE, 'a')).expiresAt).toBeNull();
  });
});

describe('a record with an end', () => {
  it('tells when that is, and a later put takes it away or moves it', async () => {
    const before = Date.now();
    await site.put('a', 'one', { ttlSeconds: 100 });
    const first = (await site.records.get(site.owner, NAMESPACE, 'a')).expiresAt?.getTime() ?? 0;
    expect(first - before).toBeGreaterThan(95_000);
    expect(first - before).toBeLessThan(160_000);
    await site.put('a', 'two', { ttlSeconds: 1_000 });
    expect((await site.records.get(site.owner, NAMESPACE, 'a')).expiresAt?.getTime()).toBeGreaterThan(first);
    await site.put('a', 'longer than before', { ttlSeconds: 4_294_967_295 });
    expect((await site.records.get(site.owner, NAMESPACE, 'a')).expiresAt?.getUTCFullYear()).toBeGreaterThan(
      2_150,
    );
    await site.put('a', 'three');
    expect((await site.records.get(site.owner, NAMESPACE, 'a')).expiresAt).toBeNull();
  });

  it('is there until its time is over and never after it, by the database’s clock', async () => {
    await site.put('a', 'x', { ttlSeconds: 1 });
    const end = (await site.records.get(site.owner, NAMESPACE, 'a')).expiresAt ?? new Date(0);
    const now = async () =>
      (await site.db.raw<{ rows: [{ now: Date }] }>('select clock_timestamp() as now')).rows[0].now;
    const seen: { answer: string; before: Date; after: Date }[] = [];
    await eventually(async () => {
      const before = await now();
      const answer = await site.read('a').catch((err: unknown) => (err as { code: string }).code);
      seen.push({ answer, before, after: await now() });
      expect(answer).toBe('STORAGE_MISSING');
    });
    expect(seen.filter(({ answer, before }) => answer === 'x' && before >= end)).toEqual([]);
    expect(seen.filter(({ answer, after }) => answer !== 'x' && after < end)).toEqual([]);
  });

  it('whose time is over is in no answer, not there for conditions, and not there to be deleted', async () => {
    const revision = await site.put('a', 'old');
    await site.put('b', 'stays');
    await site.end('a');
    expect((await site.records.list(site.owner, NAMESPACE)).records.map(({ key }) => key)).toEqual(['b']);
    const page = await site.records.page(site.owner, NAMESPACE, { prefix: 'a', limit: 10 });
    expect(page).toEqual({ records: [], more: false });
    expect(
      (await site.records.getAll(site.owner, NAMESPACE, ['a', 'b'])).records.map(({ key }) => key),
    ).toEqual(['b']);
    await expect(site.put('a', 'new', { revision })).rejects.toMatchObject({ code: 'STORAGE_CONFLICT' });
    await expect(site.records.remove(site.owner, NAMESPACE, 'a')).rejects.toMatchObject({
      code: 'STORAGE_MISSING',
    });
    await expect(site.records.remove(site.owner, NAMESPACE, 'a', revision)).rejects.toMatchObject({
      code: 'STORAGE_MISSING',
    });
    expect(await site.records.removeAll(site.owner, NAMESPACE, ['a'])).toEqual([false]);
    const exported = await createStorageExportStore(site.db).page(site.owner.tenantId, site.owner.installId);
    expect(exported.map(({ key }) => key)).toEqual(['b']);
    expect(await site.put('a', 'new', { revision: 0 })).toBeGreaterThan(revision);
    expect(await site.read('a')).toBe('new');
  });
});

describe('quotas', () => {
  it('do not count records whose time is over once they are needed', async () => {
    await site.fill({ namespaces: STORAGE_LIMITS.namespaces, over: true });
    await site.put('a', 'x');
    expect(await site.rows()).toHaveLength(1);
    await site.rows().delete();
    await site.fill({ keys: STORAGE_LIMITS.keysPerNamespace, over: true });
    await site.records.put(site.owner, 'ns1', record('one more', 'x'));
    expect(await site.count()).toBe(STORAGE_LIMITS.keysPerNamespace - 500 + 1);
  });

  it('hold when many write at once, and say what is full', async () => {
    const room = 7;
    await site.fill({ keys: STORAGE_LIMITS.keysPerNamespace - room });
    const at = (n: number) =>
      n % 2 === 0
        ? site.records.increment(site.owner, 'ns1', { key: `k${n}`, delta: 1n })
        : site.records.put(site.owner, 'ns1', record(`k${n}`, 'x'));
    const results = await Promise.allSettled(Array.from({ length: 24 }, (_none, n) => at(n)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(room);
    for (const result of results) {
      if (result.status === 'rejected') {
        expect(result.reason).toMatchObject({
          code: 'STORAGE_LIMIT',
          message: 'a namespace has at most 5120 keys',
        });
      }
    }
    expect(await site.count()).toBe(STORAGE_LIMITS.keysPerNamespace);
  });

  it('hold for several at once, of which none is written then', async () => {
    await site.fill({ keys: STORAGE_LIMITS.keysPerNamespace - 2 });
    const several = ['a', 'b', 'key1', 'c'].map((key) => record(key, 'several'));
    await expect(site.records.putAll(site.owner, 'ns1', several)).rejects.toMatchObject({
      code: 'STORAGE_LIMIT',
    });
    const written = () => site.rows().where({ value: Buffer.from('several') });
    expect(await written()).toEqual([]);
    await site.records.putAll(site.owner, 'ns1', several.slice(0, 3));
    expect(await written()).toHaveLength(3);
  });
});

describe('several records', () => {
  it('are put all, with their revisions in order, or not at all', async () => {
    const first = await site.put('a', 'one');
    const revisions = await site.records.putAll(site.owner, NAMESPACE, [
      record('z', 'new', { revision: 0, ttlSeconds: 50 }),
      record('a', 'two', { revision: first }),
      record('m', ''),
    ]);
    expect(new Set(revisions).size).toBe(3);
    const found = (await site.records.getAll(site.owner, NAMESPACE, ['m', 'nothing', 'a', 'z'])).records;
    expect(found.map(({ key, revision }) => [key, revision])).toEqual([
      ['m', revisions[2]],
      ['a', revisions[1]],
      ['z', revisions[0]],
    ]);
    expect(found.map(({ expiresAt }) => expiresAt !== null)).toEqual([false, false, true]);
    const stale = [record('m', 'changed'), record('a', 'changed', { revision: first }), record('q', 'new')];
    await expect(site.records.putAll(site.owner, NAMESPACE, stale)).rejects.toMatchObject({
      code: 'STORAGE_CONFLICT',
    });
    expect([await site.read('m'), await site.read('a')]).toEqual(['', 'two']);
    await expect(site.read('q')).rejects.toMatchObject({ code: 'STORAGE_MISSING' });
  });

  it('in whatever order, are put and deleted by many at once, and nobody waits for ever', async () => {
    const keys = ['a', 'b', 'c', 'd', 'e'];
    const rotated = (n: number) => [...keys.slice(n % 5), ...keys.slice(0, n % 5)];
    const change = (n: number): Promise<unknown> =>
      n % 3 === 0
        ? site.records.removeAll(site.owner, NAMESPACE, rotated(n))
        : site.records.putAll(
            site.owner,
            NAMESPACE,
            rotated(n).map((key) => record(key, 'x'.repeat(n))),
          );
    await Promise.all(Array.from({ length: 40 }, (_none, n) => change(n)));
    await site.records.putAll(site.owner, NAMESPACE, [record('a', 'last')]);
    expect(await site.records.removeAll(site.owner, NAMESPACE, ['a', 'nothing'])).toEqual([true, false]);
  });

  it('are read in pieces of at most 256 KiB', async () => {
    await site.fill({ keys: 12, bytes: STORAGE_LIMITS.valueBytes });
    const keys = Array.from({ length: 12 }, (_none, n) => `key${12 - n}`);
    const first = await site.records.getAll(site.owner, 'ns1', keys);
    expect(first.more).toBe(true);
    expect(first.records.map(({ key }) => key)).toEqual(keys.slice(0, 4));
    expect((await site.records.getAll(site.owner, 'ns1', keys.slice(8))).more).toBe(false);
  });

  it('are deleted one by one only at the revision that is given', async () => {
    const first = await site.put('a', 'one');
    const second = await site.put('a', 'two');
    await expect(site.records.remove(site.owner, NAMESPACE, 'a', first)).rejects.toMatchObject({
      code: 'STORAGE_CONFLICT',
    });
    await site.records.remove(site.owner, NAMESPACE, 'a', second);
    await expect(site.records.remove(site.owner, NAMESPACE, 'a', second)).rejects.toMatchObject({
      code: 'STORAGE_MISSING',
    });
  });
});
