import { describe, expect, it } from '@jest/globals';
import type { CapabilityScope } from '../../core/capabilities.ts';
import type { WitValue } from '../engine/engine.ts';
import type { CallContext, CapabilityDeps, HostApiAnswer } from './capability.ts';
import { storageCapability } from './storage.ts';

type Gateway = (path: string, body: unknown, bytes?: Uint8Array) => HostApiAnswer;

interface Setup {
  scope?: CapabilityScope;
  gateway: Gateway;
}

function setup({ scope = {}, gateway }: Setup) {
  const asked: { path: string; body: unknown; bytes?: Uint8Array }[] = [];
  const hostApi: CapabilityDeps['hostApi'] = {
    call: (path, body, _call, bytes) => {
      asked.push({ path, body, ...(bytes && { bytes }) });
      return Promise.resolve(gateway(path, body, bytes));
    },
  };
  const denied: string[] = [];
  const call = { denied: (_name, value) => denied.push(value ?? '') } as Partial<CallContext> as CallContext;
  const bound = storageCapability.bind?.(call, scope, { hostApi } as CapabilityDeps);
  const host = async (name: string, ...args: WitValue[]) => bound?.['storage']?.[name]?.(args);
  return { host, asked, denied };
}

describe('storage', () => {
  const head = { namespace: 'notes', key: 'a', revision: 3 };
  const bytes = Buffer.from([1, 2]);
  const value = { namespace: 'notes', key: 'a', value: bytes, revision: 3n };
  const answering: Setup = { gateway: () => ({ body: head, bytes }) };

  it('reads, writes and deletes through the gateway, values as bytes', async () => {
    const { host, asked } = setup({
      ...answering,
      gateway: (path) => (path === 'storage/delete' ? { body: {} } : { body: head, bytes }),
    });
    expect(await host('get', 'notes', 'a')).toEqual({ ok: value });
    expect(await host('put', { ...value, revision: 2n })).toEqual({ ok: value });
    expect(await host('delete', 'notes', 'a')).toEqual({ ok: undefined });
    expect(asked).toEqual([
      { path: 'storage/get', body: { namespace: 'notes', key: 'a' } },
      { path: 'storage/put', body: { namespace: 'notes', key: 'a', revision: 2 }, bytes },
      { path: 'storage/delete', body: { namespace: 'notes', key: 'a' } },
    ]);
  });

  describe('lists', () => {
    /** A gateway that answers at most `atOnce` of the keys after the cursor. */
    const gatewayOf =
      (keys: string[], atOnce: number): Gateway =>
      (_path, body) => {
        const { cursor = '', limit } = body as { cursor?: string; limit: number };
        const rest = keys.filter((key) => key > cursor).slice(0, limit);
        const records = rest.slice(0, atOnce).map((key) => ({ key, revision: 1, bytes: key.length }));
        const values = Buffer.from(records.map(({ key }) => key).join(''));
        return { body: { records, more: records.length < rest.length }, bytes: values };
      };
    const entriesOf = (keys: string[]) =>
      keys.map((key) => ({ namespace: 'notes', key, value: Buffer.from(key), revision: 1n }));
    const keys = Array.from({ length: 130 }, (_, n) => `key ${1000 + n}`);
    const list = (gateway: Gateway, cursor?: string) => {
      const { host, asked } = setup({ ...answering, gateway });
      return host('list-entries', 'notes', cursor).then((reply) => ({ reply, asked }));
    };

    it.each([1, 7, 99, 100])(
      'join pieces of %i to a page of 100, and a shorter one is the last',
      async (atOnce) => {
        const first = await list(gatewayOf(keys, atOnce));
        expect(first.reply).toEqual({ ok: entriesOf(keys.slice(0, 100)) });
        expect(first.asked.length).toBe(Math.ceil(100 / atOnce));
        const second = await list(gatewayOf(keys, atOnce), keys[99]);
        expect(second.reply).toEqual({ ok: entriesOf(keys.slice(100)) });
      },
    );

    it('may be empty', async () => {
      expect((await list(gatewayOf([], 7))).reply).toEqual({ ok: [] });
    });

    it('are refused as a whole when a piece is', async () => {
      let pieces = 0;
      const failing: Gateway = (path, body) =>
        ++pieces > 2 ? { code: 'CONCURRENCY_LIMITED' } : gatewayOf(keys, 7)(path, body);
      expect((await list(failing)).reply).toEqual({ err: 'internal' });
    });

    it.each([
      ['more values than it names', { records: [{ key: 'a', revision: 1, bytes: 1 }], more: false }],
      ['fewer values than it names', { records: [{ key: 'a', revision: 1, bytes: 3 }], more: false }],
      ['nothing to go on from', { records: [], more: true }],
    ])('throw at a piece with %s', async (_name, body) => {
      await expect(list(() => ({ body, bytes }))).rejects.toThrow();
    });
  });

  describe('of a gateway from before frames', () => {
    const stored = { ...head, valueB64: 'AQI=' };

    it('is read and written as base64', async () => {
      const { host, asked } = setup({
        ...answering,
        // To it a frame is no body at all.
        gateway: (path, _body, framed) => {
          if (framed) return { code: 'INPUT_INVALID' };
          return { body: path === 'storage/list' ? { entries: [stored] } : stored };
        },
      });
      expect(await host('get', 'notes', 'a')).toEqual({ ok: value });
      expect(await host('put', { ...value, revision: 2n })).toEqual({ ok: value });
      expect(await host('list-entries', 'notes', 'A')).toEqual({ ok: [value] });
      expect(asked).toEqual([
        { path: 'storage/get', body: { namespace: 'notes', key: 'a' } },
        { path: 'storage/put', body: { namespace: 'notes', key: 'a', revision: 2 }, bytes },
        { path: 'storage/put', body: { namespace: 'notes', key: 'a', valueB64: 'AQI=', revision: 2 } },
        { path: 'storage/list', body: { namespace: 'notes', limit: 100, cursor: 'A' } },
      ]);
    });

    it('that ignores the limit answers no more than a page, also after a piece of another gateway', async () => {
      const piece = { records: [{ key: 'a', revision: 3, bytes: 2 }], more: true };
      const page = { entries: Array.from({ length: 100 }, () => stored) };
      let calls = 0;
      const { host } = setup({
        ...answering,
        gateway: () => (++calls === 1 ? { body: piece, bytes } : { body: page }),
      });
      expect(await host('list-entries', 'notes', undefined)).toEqual({
        ok: Array.from({ length: 100 }, () => value),
      });
    });
  });

  it.each([
    ['STORAGE_MISSING', 'missing'],
    ['STORAGE_CONFLICT', 'conflict'],
    ['CAPABILITY_NOT_GRANTED', 'denied'],
    ['EXECUTION_ENDED', 'denied'],
    ['STORAGE_LIMIT', 'internal'],
    ['CONCURRENCY_LIMITED', 'internal'],
    ['GATEWAY_UNAVAILABLE', 'internal'],
    ['constructor', 'internal'],
  ])('answers %s of the gateway as %s', async (code, err) => {
    const { host } = setup({ ...answering, gateway: () => ({ code }) });
    expect(await host('get', 'notes', 'a')).toEqual({ err });
  });

  it('is denied in a namespace outside its scope, without asking the gateway', async () => {
    const { host, asked, denied } = setup({ ...answering, scope: { namespaces: ['notes'] } });
    expect(await host('get', 'other', 'a')).toEqual({ err: 'denied' });
    expect(denied).toEqual(['other']);
    expect(await host('put', { ...value, namespace: 'other' })).toEqual({ err: 'denied' });
    expect(asked).toEqual([]);
    expect(await host('get', 'notes', 'a')).toEqual({ ok: value });
  });

  it('knows of no revision beyond what it ever gave out', async () => {
    const { host, asked } = setup(answering);
    expect(await host('put', { ...value, revision: 2n ** 60n })).toEqual({ err: 'conflict' });
    expect(asked).toEqual([]);
  });

  it.each([
    ['get', ['notes']],
    ['put', [{ ...value, value: 'text' }]],
    ['delete', [1, 2]],
  ] as [string, WitValue[]][])('throws at arguments of a wrong shape: %s', async (name, args) => {
    const { host, asked } = setup(answering);
    await expect(host(name, ...args)).rejects.toThrow();
    expect(asked).toEqual([]);
  });
});
