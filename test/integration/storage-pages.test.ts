import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createStorageSweepStore } from '../../platform/db/storage-sweep.ts';
import { createStorageSite, NAMESPACE, record, type StorageSite } from '../support/storage-site.ts';

let site: StorageSite;
beforeAll(async () => {
  site = await createStorageSite('storage_pages');
});
afterAll(() => site.close());
beforeEach(() => site.change());

describe('pages', () => {
  const keysOf = async (
    prefix: string,
    limit: number,
    change: (page: number) => Promise<unknown> = () => Promise.resolve(),
  ) => {
    const seen: string[] = [];
    for (let page = 0, more = true; more; page += 1) {
      const piece = await site.records.page(site.owner, NAMESPACE, { prefix, after: seen.at(-1), limit });
      expect(piece.records.length).toBeLessThanOrEqual(limit);
      seen.push(...piece.records.map(({ key }) => key));
      more = piece.more;
      await change(page);
    }
    return seen;
  };

  it.each([1, 2, 3, 4, 7])('hold what begins with a prefix and nothing else, %i at a time', async (limit) => {
    await site.putKeys(['a', 'a%', 'a_b', 'a\u{10ffff}', 'aé', 'b', '%', '_']);
    expect(await keysOf('a', limit)).toEqual(['a', 'a%', 'a_b', 'aé', 'a\u{10ffff}']);
    expect(await keysOf('a%', limit)).toEqual(['a%']);
    expect(await keysOf('', limit)).toEqual(['%', '_', 'a', 'a%', 'a_b', 'aé', 'a\u{10ffff}', 'b']);
    expect(await keysOf('nothing', limit)).toEqual([]);
  });

  it('tell that there is more only if there is', async () => {
    await site.putKeys(['a', 'b', 'c']);
    const more = async (after: string | undefined, limit: number) =>
      (await site.records.page(site.owner, NAMESPACE, { prefix: '', after, limit })).more;
    expect([await more(undefined, 2), await more(undefined, 3), await more('b', 1)]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('lose and repeat nothing that stays, whatever comes and goes between them', async () => {
    const stay = Array.from({ length: 40 }, (_none, n) => `p${String(n).padStart(2, '0')}`);
    await site.putKeys(stay);
    await site.putKeys(stay.map((key) => `${key}-goes`));
    const seen = await keysOf('p', 3, async (page) => {
      // Before and after the cursor, and the very record that it names.
      await site.records.removeAll(
        site.owner,
        NAMESPACE,
        stay.slice(page, page + 5).map((key) => `${key}-goes`),
      );
      await site.putKeys([`p00-${page}`, `p39-${page}`, `p${String((page * 3) % 40).padStart(2, '0')}-new`]);
    });
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.filter((key) => stay.includes(key))).toEqual(stay);
  });

  it('lose nothing while others change records at the same time', async () => {
    const stay = Array.from({ length: 60 }, (_none, n) => `p${String(n).padStart(2, '0')}`);
    await site.putKeys(stay);
    let reading = true;
    const disturb = async (own: number): Promise<void> => {
      for (let n = own; reading; n += 1) {
        const keys = [`p${String(n % 60).padStart(2, '0')}-${own}`, `p-${own}-${n}`];
        await site.putKeys(keys);
        await site.records.removeAll(site.owner, NAMESPACE, keys);
      }
    };
    const disturbing = [1, 2, 3].map(disturb);
    try {
      for (let time = 0; time < 5; time += 1) {
        const seen = await keysOf('p', 4);
        expect(seen.filter((key) => stay.includes(key))).toEqual(stay);
      }
    } finally {
      reading = false;
      await Promise.all(disturbing);
    }
  });
});

describe('the sweep of records', () => {
  it('counts and removes those whose time is over, of every install, some at a time, and no other', async () => {
    const sweep = createStorageSweepStore(site.db);
    for (let removed = 1; removed > 0;) removed = await sweep.remove();
    await site.fill({ keys: 700, over: true });
    await site.put('a', 'stays', { ttlSeconds: 1_000 });
    await site.put('b', 'stays');
    const first = site.owner;
    await site.change();
    await site.fill({ keys: 3, over: true });
    expect(await sweep.count()).toBe(703);
    const removed: number[] = [];
    do removed.push(await sweep.remove());
    while (removed.at(-1) !== 0);
    expect(removed).toEqual([500, 200, 3, 0]);
    expect(await sweep.count()).toBe(0);
    const left = await site
      .db('extension_storage_record')
      .where({ install_id: first.installId })
      .orderBy('key')
      .pluck('key');
    expect(left).toEqual(['a', 'b']);
    const usage = site.db('extension_storage_usage').select('namespace', 'keys');
    expect(await usage.clone().where({ install_id: first.installId })).toEqual([
      { namespace: NAMESPACE, keys: 2 },
    ]);
    expect(await usage.clone().where({ install_id: site.owner.installId })).toEqual([]);
  });

  it('and writers of the same records do not end each other', async () => {
    const sweep = createStorageSweepStore(site.db);
    const keys = Array.from({ length: 30 }, (_none, n) => `k${n}`);
    const written = new AbortController();
    const sweeping = (async () => {
      while (!written.signal.aborted) await sweep.remove();
    })();
    try {
      for (let n = 0; n < 20; n += 1) {
        const given = keys.map((key) => record(key, `round ${n}`, { ttlSeconds: 1_000 }));
        await site.records.putAll(site.owner, NAMESPACE, given);
        await site.end(...keys.slice(0, 15));
        await Promise.all([
          site.records.putAll(site.owner, NAMESPACE, given.slice(10, 20)),
          site.records.removeAll(site.owner, NAMESPACE, keys.slice(5, 25)),
          site.increment('counter'),
        ]);
      }
    } finally {
      written.abort();
      await sweeping;
    }
    expect(await site.read('counter')).toBe('20');
    const counted = site.db('extension_storage_usage').where({ install_id: site.owner.installId });
    expect(await counted.pluck('keys')).toEqual([await site.count()]);
  });
});
