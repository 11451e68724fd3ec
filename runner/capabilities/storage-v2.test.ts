import { describe, expect, it } from '@jest/globals';
import type { CapabilityScope } from '../../core/capabilities.ts';
import { WORLD } from '../../core/world.ts';
import type { WitValue } from '../engine/engine.ts';
import type { CallContext, CapabilityDeps, HostApiAnswer } from './capability.ts';
import { replyWithoutGrant } from './denied.ts';
import { storageCapability } from './storage.ts';

type Gateway = (path: string, body: Record<string, unknown>, bytes?: Uint8Array) => HostApiAnswer;

function setup(gateway: Gateway, scope: CapabilityScope = {}) {
  const asked: unknown[] = [];
  const denied: string[] = [];
  const hostApi: CapabilityDeps['hostApi'] = {
    call: (path, body, _call, bytes) => {
      asked.push([path, JSON.parse(JSON.stringify(body)), ...(bytes ? [Buffer.from(bytes).toString()] : [])]);
      return Promise.resolve(gateway(path, body as Record<string, unknown>, bytes));
    },
  };
  const call = { denied: (_name, value) => denied.push(value ?? '') } as Partial<CallContext> as CallContext;
  const bound = storageCapability.bind?.(call, scope, { hostApi } as CapabilityDeps);
  const host = async (name: string, ...args: WitValue[]) => bound?.['storage-v2']?.[name]?.(args);
  return { host, asked, denied };
}

const entry = (key: string, text: string, more: Record<string, WitValue> = {}) => ({
  key,
  value: Buffer.from(text),
  ...more,
});
const found = (key: string, text: string, expiresAt?: bigint) => ({
  key,
  value: Buffer.from(text),
  revision: 3n,
  expiresAt,
});
const piece = (
  records: { key: string; text: string; expiresAt?: number }[],
  more = false,
): HostApiAnswer => ({
  body: {
    records: records.map(({ text, ...record }) => ({
      ...record,
      revision: 3,
      bytes: Buffer.byteLength(text),
    })),
    more,
  },
  bytes: Buffer.from(records.map(({ text }) => text).join('')),
});

describe('storage, second version', () => {
  it('reads a record with its end, and one without', async () => {
    const head = { namespace: 'notes', key: 'a', revision: 3 };
    const bytes = Buffer.from('one');
    expect(await setup(() => ({ body: head, bytes })).host('get', 'notes', 'a')).toEqual({
      ok: found('a', 'one'),
    });
    const ending = setup(() => ({ body: { ...head, expiresAt: 5_000 }, bytes }));
    expect(await ending.host('get', 'notes', 'a')).toEqual({ ok: found('a', 'one', 5_000n) });
  });

  it('puts one or several, values side by side, with what each is given', async () => {
    const { host, asked } = setup((_path, { records }) => ({
      body: { revisions: (records as unknown[]).map((_record, n) => n + 7) },
    }));
    expect(await host('put', 'notes', entry('a', 'one', { revision: 0n, ttlSeconds: 60 }))).toEqual({
      ok: 7n,
    });
    expect(await host('put-many', 'notes', [entry('a', 'one'), entry('b', ''), entry('c', 'two')])).toEqual({
      ok: [7n, 8n, 9n],
    });
    expect(asked).toEqual([
      [
        'storage-v2/put',
        { namespace: 'notes', records: [{ key: 'a', bytes: 3, revision: 0, ttlSeconds: 60 }] },
        'one',
      ],
      [
        'storage-v2/put',
        {
          namespace: 'notes',
          records: [
            { key: 'a', bytes: 3 },
            { key: 'b', bytes: 0 },
            { key: 'c', bytes: 3 },
          ],
        },
        'onetwo',
      ],
    ]);
  });

  it('counts in whole 64 bits', async () => {
    const { host, asked } = setup(() => ({ body: { sum: '-9223372036854775808' } }));
    expect(await host('increment', 'notes', 'n', 9_007_199_254_740_993n)).toEqual({ ok: -(2n ** 63n) });
    await host('increment', 'notes', 'n', -1n, { initial: 2n ** 63n - 1n, ttlSeconds: 60 });
    expect(asked).toEqual([
      ['storage-v2/increment', { namespace: 'notes', key: 'n', delta: '9007199254740993' }],
      [
        'storage-v2/increment',
        { namespace: 'notes', key: 'n', delta: '-1', initial: '9223372036854775807', ttlSeconds: 60 },
      ],
    ]);
  });

  it('lists a page, whose cursor is there only if more is left', async () => {
    const records = [
      { key: 'a1', text: 'one' },
      { key: 'a2', text: '', expiresAt: 9 },
    ];
    const { host, asked } = setup((_path, { cursor }) => piece(records, cursor === undefined));
    const entries = [found('a1', 'one'), found('a2', '', 9n)];
    expect(await host('list-entries', 'notes', 'a', undefined, 2)).toEqual({ ok: { entries, cursor: 'a2' } });
    expect(await host('list-entries', 'notes', 'a', 'a2', undefined)).toEqual({
      ok: { entries, cursor: undefined },
    });
    expect(asked).toEqual([
      ['storage-v2/list', { namespace: 'notes', prefix: 'a', limit: 2 }],
      ['storage-v2/list', { namespace: 'notes', prefix: 'a', cursor: 'a2' }],
    ]);
  });

  it.each([1, 2, 3, 10])(
    'joins pieces of %i to the records that were asked for, in their order',
    async (atOnce) => {
      const there = ['a', 'c', 'd', 'f'];
      const { host, asked } = setup((_path, { keys }) => {
        const rest = (keys as string[]).filter((key) => there.includes(key));
        return piece(
          rest.slice(0, atOnce).map((key) => ({ key, text: key })),
          rest.length > atOnce,
        );
      });
      expect(await host('get-many', 'notes', ['f', 'e', 'd', 'c', 'b', 'a'])).toEqual({
        ok: [found('f', 'f'), undefined, found('d', 'd'), found('c', 'c'), undefined, found('a', 'a')],
      });
      expect(asked).toHaveLength(Math.ceil(there.length / atOnce));
    },
  );

  it('deletes at a revision, and several at once', async () => {
    const { host, asked } = setup((path) => ({
      body: path.endsWith('many') ? { removed: [true, false] } : {},
    }));
    expect(await host('delete', 'notes', 'a', 4n)).toEqual({ ok: undefined });
    expect(await host('delete', 'notes', 'a', undefined)).toEqual({ ok: undefined });
    expect(await host('delete-many', 'notes', ['a', 'b'])).toEqual({ ok: [true, false] });
    expect(asked).toEqual([
      ['storage-v2/delete', { namespace: 'notes', key: 'a', revision: 4 }],
      ['storage-v2/delete', { namespace: 'notes', key: 'a' }],
      ['storage-v2/delete-many', { namespace: 'notes', keys: ['a', 'b'] }],
    ]);
  });

  it.each([
    ['STORAGE_MISSING', { tag: 'missing' }],
    ['STORAGE_CONFLICT', { tag: 'conflict' }],
    ['STORAGE_LIMIT', { tag: 'limit', val: 'why' }],
    ['BODY_TOO_LARGE', { tag: 'limit', val: 'why' }],
    ['INPUT_INVALID', { tag: 'invalid', val: 'why' }],
    ['STORAGE_NOT_A_COUNTER', { tag: 'not-a-counter' }],
    ['STORAGE_OVERFLOW', { tag: 'overflow' }],
    ['CONCURRENCY_LIMITED', { tag: 'busy' }],
    ['CAPABILITY_NOT_GRANTED', { tag: 'denied' }],
    ['EXECUTION_ENDED', { tag: 'denied' }],
    ['GATEWAY_UNAVAILABLE', { tag: 'internal' }],
    ['NOT_FOUND', { tag: 'internal' }],
  ])('says %s as its interface does, in every function', async (code, err) => {
    const { host } = setup(() => ({ code, detail: 'why' }));
    const calls: [string, ...WitValue[]][] = [
      ['get', 'notes', 'a'],
      ['put', 'notes', entry('a', '')],
      ['delete', 'notes', 'a', undefined],
      ['list-entries', 'notes', '', undefined, undefined],
      ['increment', 'notes', 'a', 1n, undefined],
      ['get-many', 'notes', ['a']],
      ['put-many', 'notes', [entry('a', '')]],
      ['delete-many', 'notes', ['a']],
    ];
    for (const [name, ...args] of calls) expect(await host(name, ...args)).toEqual({ err });
  });

  it('is denied in a namespace outside its scope, without asking the gateway, and the log says so', async () => {
    const { host, asked, denied } = setup(() => ({ body: { sum: '1' } }), { namespaces: ['notes'] });
    expect(await host('increment', 'other', 'a', 1n)).toEqual({ err: { tag: 'denied' } });
    expect(await host('get-many', 'more', ['a'])).toEqual({ err: { tag: 'denied' } });
    expect(asked).toEqual([]);
    expect(denied).toEqual(['other', 'more']);
    expect(await host('increment', 'notes', 'a', 1n)).toEqual({ ok: 1n });
  });

  it.each(Object.keys(WORLD['storage-v2']))('denies %s without a grant', (name) => {
    expect(replyWithoutGrant('storage-v2', name)).toEqual({ err: { tag: 'denied' } });
  });

  it('refuses by itself what is too much for one call, and revisions that nobody gave out', async () => {
    const { host, asked } = setup(() => ({ body: {} }));
    const large = Array.from({ length: 5 }, (_none, n) => entry(`k${n}`, 'x'.repeat(60_000)));
    expect(await host('put-many', 'notes', large)).toEqual({
      err: { tag: 'limit', val: 'the values of one call have at most 262144 bytes together' },
    });
    expect(await host('put', 'notes', entry('a', '', { revision: 2n ** 60n }))).toEqual({
      err: { tag: 'conflict' },
    });
    expect(await host('delete', 'notes', 'a', 2n ** 60n)).toEqual({ err: { tag: 'conflict' } });
    expect(asked).toEqual([]);
  });

  it.each<[string, ...WitValue[]]>([
    ['get', 'notes'],
    ['put', 'notes', { key: 'a', value: 'text' }],
    ['put', 'notes', entry('a', '', { ttlSeconds: -1 })],
    ['increment', 'notes', 'a', 2n ** 63n],
    ['increment', 'notes', 'a', 1],
    ['list-entries', 'notes', '', undefined, 1.5],
    ['get-many', 'notes', 'a'],
    ['delete-many', 'notes', [7]],
  ])('throws at arguments of %s of a wrong shape', async (name, ...args) => {
    const { host, asked } = setup(() => ({ body: {} }));
    await expect(host(name, ...args)).rejects.toThrow();
    expect(asked).toEqual([]);
  });

  it('takes no answer whose head disagrees with its values, and asks for no piece for ever', async () => {
    const short: HostApiAnswer = {
      body: { records: [{ key: 'a', revision: 1, bytes: 4 }], more: false },
      bytes: Buffer.from('abc'),
    };
    await expect(setup(() => short).host('get-many', 'notes', ['a'])).rejects.toMatchObject({
      code: 'INTERNAL',
    });
    const others = () => piece([{ key: 'other', text: '' }], true);
    await expect(setup(others).host('get-many', 'notes', ['a'])).rejects.toMatchObject({ code: 'INTERNAL' });
    await expect(setup(() => piece([], true)).host('list-entries', 'notes', '')).rejects.toMatchObject({
      code: 'INTERNAL',
    });
    const none: HostApiAnswer = { body: { revisions: [] } };
    await expect(setup(() => none).host('put', 'notes', entry('a', ''))).rejects.toMatchObject({
      code: 'INTERNAL',
    });
  });
});
