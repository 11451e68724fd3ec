import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { bundleOf, createTenant, expectStatus, install, publish } from '../support/extensions.ts';
import { eventually } from '../support/eventually.ts';
import { BUILD_WITHIN_MS, TOOLCHAINS, type Toolchain } from '../support/guests.ts';
import { startPlatform, type TestPlatform } from '../support/platform.ts';

let platform: TestPlatform;

beforeAll(async () => {
  platform = await startPlatform();
}, 900_000);
afterAll(() => platform.close());

const BUNDLES: Record<Toolchain, () => Promise<Uint8Array>> = {
  StarlingMonkey: () => bundleOf('storing', { name: 'storing-sm' }),
  QuickJS: () => bundleOf('storing', { name: 'storing-qjs' }, 'quickjs'),
  Rust: () => bundleOf('rust-storing'),
};
const EXTENSIONS: Record<Toolchain, string> = {
  StarlingMonkey: 'alga.storing-sm',
  QuickJS: 'alga.storing-qjs',
  Rust: 'alga.rust-storing',
};

type Order = { call: string } & Record<string, unknown>;
type Outcome = { ok: unknown } | { err: { tag: string; val: string | null } };

const err = (tag: string, val: unknown = null) => ({ err: { tag, val } });
const said = expect.stringMatching(/\w+ \w+/) as unknown;
const decimal = expect.stringMatching(/^\d+$/) as unknown;
const MOST = String(2n ** 63n - 1n);

async function scrape(): Promise<string[]> {
  const secrets = z
    .object({ tokens: z.object({ metrics: z.string() }) })
    .parse(JSON.parse(readFileSync(path.join(platform.starter.dataDir, 'secrets.json'), 'utf8')));
  const answer = await fetch(`${platform.local.runner}/metrics`, {
    headers: { authorization: `Bearer ${secrets.tokens.metrics}` },
  });
  return (await answer.text()).split('\n');
}

describe.each(TOOLCHAINS)('a guest of %s', (toolchain) => {
  const extension = EXTENSIONS[toolchain];
  let key: string;
  let tenantId: string;

  beforeAll(async () => {
    expectStatus(await publish(platform, platform.local.keys.admin, await BUNDLES[toolchain]()), 201);
    ({ key, tenantId } = await createTenant(platform, toolchain));
    expectStatus(await install(platform, key, { extension }), 201);
  }, BUILD_WITHIN_MS);

  /** What came of each, in one execution. */
  async function outcomes(orders: readonly Order[], as = key): Promise<Outcome[]> {
    const answer = await platform.request('POST', `/api/ext/${extension}/orders`, { key: as, json: orders });
    expectStatus(answer, 200);
    return answer.json as Outcome[];
  }
  const inNotes = (...orders: Order[]) => outcomes(orders.map((order) => ({ namespace: 'notes', ...order })));
  const outcome = async (order: Order): Promise<unknown> => (await inNotes(order))[0];
  const ok = async (order: Order): Promise<unknown> => ((await outcome(order)) as { ok: unknown }).ok;

  it('puts, gets and deletes, on conditions and with an end', async () => {
    const begun = Date.now();
    const first = await ok({ call: 'put', entry: { key: 'one', value: 'Grüße', revision: '0' } });
    expect(first).toEqual(decimal);
    expect(await outcome({ call: 'put', entry: { key: 'one', value: 'x', revision: '0' } })).toEqual(
      err('conflict'),
    );
    expect(await ok({ call: 'get', key: 'one' })).toEqual({
      ...{ key: 'one', value: 'Grüße', revision: first, expiresAt: null },
    });
    const entry = { key: 'one', value: 'again', revision: first, ttlSeconds: 100 };
    const second = await ok({ call: 'put', entry });
    const got = (await ok({ call: 'get', key: 'one' })) as { expiresAt: string };
    expect(got).toEqual({ key: 'one', value: 'again', revision: second, expiresAt: decimal });
    expect(Number(got.expiresAt) - begun).toBeGreaterThan(99_000);
    expect(Number(got.expiresAt) - Date.now()).toBeLessThanOrEqual(100_000);

    expect(await outcome({ call: 'put', entry: { ...entry, revision: first } })).toEqual(err('conflict'));
    expect(await outcome({ call: 'delete', key: 'one', revision: first })).toEqual(err('conflict'));
    expect(await outcome({ call: 'delete', key: 'one', revision: second })).toEqual({ ok: null });
    expect(await outcome({ call: 'get', key: 'one' })).toEqual(err('missing'));
    expect(await outcome({ call: 'delete', key: 'one' })).toEqual(err('missing'));
  });

  it('finds no record after its end', async () => {
    await ok({ call: 'put', entry: { key: 'brief', value: 'x', ttlSeconds: 1 } });
    await eventually(async () =>
      expect(await outcome({ call: 'get', key: 'brief' })).toEqual(err('missing')),
    );
    expect(await ok({ call: 'put', entry: { key: 'brief', value: 'y', revision: '0' } })).toEqual(decimal);
  });

  it('puts, gets and deletes several, all or none', async () => {
    const entries = [
      { key: 'm1', value: 'a', revision: '0' },
      { key: 'm2', value: 'b', ttlSeconds: 100 },
    ];
    const [one, two] = (await ok({ call: 'put-many', entries })) as [string, string];
    expect(await outcome({ call: 'put-many', entries: [{ key: 'm3', value: 'c' }, entries[0]] })).toEqual(
      err('conflict'),
    );
    expect(await ok({ call: 'get-many', keys: ['m2', 'm3', 'm1'] })).toEqual([
      { key: 'm2', value: 'b', revision: two, expiresAt: decimal },
      null,
      { key: 'm1', value: 'a', revision: one, expiresAt: null },
    ]);
    expect(await ok({ call: 'delete-many', keys: ['m1', 'm3', 'm2'] })).toEqual([true, false, true]);
  });

  it('lists by prefix, page after page', async () => {
    const keys = Array.from({ length: 7 }, (_none, n) => `l/${n}`);
    await ok({ call: 'put-many', entries: [...keys, 'm'].map((one) => ({ key: one, value: one })) });
    const seen: string[] = [];
    const pages: number[] = [];
    for (let cursor: string | null | undefined = undefined; cursor !== null;) {
      const order = { call: 'list-entries', prefix: 'l/', limit: 3, ...(cursor && { cursor }) };
      const page = (await ok(order)) as { entries: { key: string }[]; cursor: string | null };
      seen.push(...page.entries.map((entry) => entry.key));
      pages.push(page.entries.length);
      cursor = page.cursor;
    }
    expect([seen, pages]).toEqual([keys, [3, 3, 1]]);
    expect(await ok({ call: 'list-entries', prefix: 'none' })).toEqual({ entries: [], cursor: null });
  });

  it('counts from a start on, each caller a number of its own', async () => {
    const start = { initial: '40', ttlSeconds: 100 };
    expect(await ok({ call: 'increment', key: 'n', delta: '-2', start })).toBe('38');
    expect(await ok({ call: 'increment', key: 'n', delta: '4' })).toBe('42');
    expect(await ok({ call: 'get', key: 'n' })).toMatchObject({ value: '42', expiresAt: decimal });
    const sums = await Promise.all(
      Array.from({ length: 8 }, () =>
        inNotes(...Array.from({ length: 5 }, () => ({ call: 'increment', key: 'all', delta: '1' }))),
      ),
    );
    const numbers = sums.flat().map((one) => Number((one as { ok: string }).ok));
    expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_none, n) => n + 1));
  });

  it('hears what was wrong, and that nothing was changed', async () => {
    await ok({
      call: 'put-many',
      entries: [
        { key: 'text', value: 'x' },
        { key: 'most', value: MOST },
      ],
    });
    expect(
      await inNotes(
        { call: 'increment', key: 'text', delta: '1' },
        { call: 'increment', key: 'most', delta: '1' },
        { call: 'get', key: 'most' },
        { call: 'put', entry: { key: '', value: 'x' } },
        { call: 'put', entry: { key: 'a', value: 'x', ttlSeconds: 0 } },
        { call: 'get-many', keys: ['a', 'a'] },
        { call: 'list-entries', prefix: '', limit: 101 },
        { call: 'put', entry: { key: 'a', value: 'x'.repeat(65_537) } },
        { call: 'get', namespace: 'elsewhere', key: 'a' },
      ),
    ).toEqual([
      err('not-a-counter'),
      err('overflow'),
      { ok: expect.objectContaining({ value: MOST }) as unknown },
      ...[1, 2, 3, 4].map(() => err('invalid', said)),
      err('limit', said),
      err('denied'),
    ]);
  });

  it('tells figures to operators, and none that the scrape could not hold', async () => {
    const labels = [{ name: 'kind', value: 'a "quoted" \\ one' }];
    await outcomes([
      { call: 'count', name: 'orders', value: 2, labels },
      { call: 'count', name: 'orders', value: 0.5, labels },
      { call: 'observe', name: 'seconds', value: 0.7, labels: [] },
      { call: 'count', name: 'orders', value: -1, labels },
      { call: 'count', name: 'orders', value: 1, labels: [{ name: 'kind', value: 'a\nb 1' }] },
      { call: 'count', name: 'orders"} 1\nalga_forged', value: 1, labels: [] },
    ]);
    const mine = (await scrape()).filter((line) => line.includes(`tenant="${tenantId}"`));
    const [, owner = ''] = /\{(tenant=.*?,install="[^"]*")/.exec(mine[0] ?? '') ?? [];
    const counted = 'label_kind="a \\"quoted\\" \\\\ one"';
    expect(mine.filter((line) => !line.includes('_bucket'))).toEqual([
      `alga_guest_counter_total{${owner},metric="orders",${counted}} 2.5`,
      `alga_guest_histogram_sum{${owner},metric="seconds"} 0.7`,
      `alga_guest_histogram_count{${owner},metric="seconds"} 1`,
    ]);
    expect(owner).toContain('extension="');
    expect(mine).toContain(`alga_guest_histogram_bucket{${owner},metric="seconds",le="1"} 1`);
  });

  it('is denied both where an admin granted neither', async () => {
    const other = await createTenant(platform, `${toolchain} without`);
    expectStatus(await install(platform, other.key, { extension, consent: [] }), 201);
    const told = await outcomes(
      [
        { call: 'get', namespace: 'notes', key: 'text' },
        { call: 'put', namespace: 'notes', entry: { key: 'a', value: 'x' } },
        { call: 'put-many', namespace: 'notes', entries: [{ key: 'a', value: 'x' }] },
        { call: 'increment', namespace: 'notes', key: 'a', delta: '1' },
        { call: 'list-entries', namespace: 'notes', prefix: '' },
        { call: 'get-many', namespace: 'notes', keys: ['a'] },
        { call: 'delete', namespace: 'notes', key: 'a' },
        { call: 'delete-many', namespace: 'notes', keys: ['a'] },
        { call: 'count', name: 'orders', value: 1, labels: [] },
        { call: 'observe', name: 'seconds', value: 1, labels: [] },
      ],
      other.key,
    );
    expect(told).toEqual([...Array.from({ length: 8 }, () => err('denied')), { ok: null }, { ok: null }]);
    expect((await scrape()).filter((line) => line.includes(other.tenantId))).toEqual([]);
  });
});
