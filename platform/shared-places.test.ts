import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createSharedPlaces, type PlaceLimits } from './shared-places.ts';

const never = new AbortController().signal;
const settled = () => new Promise(setImmediate);

function setup(limits: Partial<PlaceLimits> = {}) {
  const places = createSharedPlaces({ own: 1, shared: 12, atOnce: 6, waiting: 3, ...limits });
  const running: Record<string, (() => void)[]> = {};
  /** Work that holds its place until it is told to end. */
  const start = (key: string, signal = never): Promise<unknown> => {
    const work = places.run(key, signal, () => {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      (running[key] ??= []).push(() => resolve(undefined));
      return promise;
    });
    return work.catch((err: unknown) => err);
  };
  const count = (key: string): number => running[key]?.length ?? 0;
  const end = async (key: string): Promise<void> => {
    running[key]?.shift()?.();
    await settled();
  };
  return { places, start, end, count };
}

describe('shared places', () => {
  it('are a key’s up to its bound while nobody else wants them, and the rest waits or is refused', async () => {
    const { places, start, end, count } = setup();
    const work = Array.from({ length: 6 + 3 }, () => start('a'));
    expect(await start('a')).toMatchObject({ code: 'CONCURRENCY_LIMITED' });
    expect(count('a')).toBe(6);
    for (const one of work) {
      await end('a');
      await one;
    }
    expect(places.size).toBe(0);
  });

  it('leave some for each that comes later, however long the first ones hold theirs', () => {
    const { start, count } = setup({ shared: 64, atOnce: 32, waiting: 64 });
    const keys = Array.from({ length: 40 }, (_none, n) => `key ${n}`);
    for (const key of keys) for (let n = 0; n < 64; n += 1) void start(key);
    expect(count('key 0')).toBe(32);
    expect(Math.min(...keys.map(count))).toBe(1);
    expect(keys.reduce((sum, key) => sum + count(key), 0)).toBe(64 + 40);
  });

  it('that become free go to the key that has fewest, not to who was first', async () => {
    const { start, end, count } = setup({ own: 0, shared: 4, atOnce: 4, waiting: 4 });
    for (let n = 0; n < 6; n += 1) void start('a');
    for (const key of ['b', 'b', 'c', 'c', 'd']) void start(key);
    expect(['a', 'b', 'c', 'd'].map(count)).toEqual([2, 1, 1, 0]);
    await end('a');
    expect(['a', 'b', 'c', 'd'].map(count)).toEqual([1, 1, 1, 1]);
  });

  it('are not kept for who gave up waiting', async () => {
    const { places, start, end, count } = setup({ own: 0, shared: 1, atOnce: 1, waiting: 1 });
    void start('a');
    const abort = new AbortController();
    const second = start('b', abort.signal);
    const gone = new Error('gone');
    abort.abort(gone);
    expect(await second).toBe(gone);
    expect(await start('b', abort.signal)).toBe(gone);
    const third = start('c');
    await end('a');
    expect(count('c')).toBe(1);
    await end('c');
    await third;
    expect(places.size).toBe(0);
  });

  it.each(Array.from({ length: 8 }, (_none, n) => n))(
    'are all there however late who waits gives up: %i turns after',
    async (turns) => {
      const { places, start, end, count } = setup({ own: 0, shared: 1, atOnce: 1, waiting: 1 });
      void start('a');
      const abort = new AbortController();
      const second = start('b', abort.signal);
      const ended = end('a');
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
      abort.abort(new Error('gone'));
      await ended;
      await end('b');
      await second;
      for (const key of ['c', 'd']) void start(key);
      await end('c');
      expect(count('d')).toBe(1);
      await end('d');
      expect(places.size).toBe(0);
    },
  );

  it('are never more than there are, and nobody waits for one that would be its own', async () => {
    const keys = ['a', 'b', 'c'] as const;
    const step = fc.record({ key: fc.constantFrom(...keys), ends: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { places, start, end, count } = setup({ own: 1, shared: 3, atOnce: 3, waiting: 2 });
        const all: Promise<unknown>[] = [];
        for (const { key, ends } of steps) {
          const before = count(key);
          if (ends) await end(key);
          else all.push(start(key));
          await settled();
          if (!ends && before === 0) expect(count(key)).toBe(1);
          const shared = keys.reduce((sum, one) => sum + Math.max(0, count(one) - 1), 0);
          expect(shared).toBeLessThanOrEqual(3);
        }
        for (const key of keys) while (count(key) > 0) await end(key);
        await Promise.all(all);
        expect(places.size).toBe(0);
      }),
    );
  });
});
