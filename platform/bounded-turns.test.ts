import { describe, expect, it } from '@jest/globals';
import { createBoundedTurns, type BoundedTurns } from './bounded-turns.ts';
import { fc } from '../test/support/properties.ts';

const never = new AbortController().signal;

function setup(limits = { atOnce: 2, waiting: 2 }) {
  const turns = createBoundedTurns(limits);
  const begun: string[] = [];
  /** Work that ends when told to. */
  const start = (key: string, name = key, signal = never) => {
    const gate = Promise.withResolvers<string>();
    const done = turns.run(key, signal, () => {
      begun.push(name);
      return gate.promise;
    });
    const ended = done.catch((err: unknown) => err);
    return { end: () => gate.resolve(name), fail: (err: Error) => gate.reject(err), done, ended };
  };
  return { turns, begun, start };
}

const settled = () => new Promise(setImmediate);

interface Work {
  end: () => void;
  giveUp: () => void;
}

/** What a key should have. */
class Key {
  readonly running: Work[] = [];
  readonly waiting: Work[] = [];

  begin(turns: BoundedTurns, name: string): Work {
    const gate = Promise.withResolvers<undefined>();
    const abort = new AbortController();
    const work = { end: () => gate.resolve(undefined), giveUp: () => abort.abort(new Error('gone')) };
    this.waiting.push(work);
    const run = turns.run(name, abort.signal, () => {
      expect(this.waiting.shift()).toBe(work); // in the order they came
      this.running.push(work);
      return gate.promise;
    });
    run.catch(() => this.waiting.splice(this.waiting.indexOf(work), 1)); // refused, or it gave up
    return work;
  }
}

const step = fc.record({ key: fc.constantFrom('a', 'b', 'c') }).chain(({ key }) =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constant({ key, kind: 'begin' } as const) },
    { weight: 3, arbitrary: fc.constant({ key, kind: 'end' } as const) },
    { weight: 1, arbitrary: fc.constant({ key, kind: 'give up' } as const) },
    {
      weight: 1,
      arbitrary: fc.record({
        key: fc.constant(key),
        kind: fc.constant('bound' as const),
        atOnce: fc.integer({ min: 1, max: 4 }),
      }),
    },
  ),
);

describe('bounded turns', () => {
  it('run so much of a key at once, and the rest in order as places become free', async () => {
    const { begun, start } = setup();
    const [one, two, three, four] = ['1', '2', '3', '4'].map((name) => start('a', name));
    await settled();
    expect(begun).toEqual(['1', '2']);
    two?.end();
    await two?.done;
    await settled();
    expect(begun).toEqual(['1', '2', '3']);
    one?.fail(new Error('its own fault'));
    await expect(one?.done).rejects.toThrow('its own fault');
    await settled();
    expect(begun).toEqual(['1', '2', '3', '4']);
    for (const work of [three, four]) work?.end();
    expect(await Promise.all([three?.done, four?.done])).toEqual(['3', '4']);
  });

  it('refuse what waits beyond the bound, and nothing of another key', async () => {
    const { begun, start } = setup();
    const work = ['1', '2', '3', '4'].map((name) => start('a', name));
    await expect(start('a', '5').done).rejects.toMatchObject({ code: 'CONCURRENCY_LIMITED' });
    const other = start('b');
    other.end();
    expect(await other.done).toBe('b');
    for (const { end } of work) end();
    await Promise.all(work.map(({ done }) => done));
    expect(begun).toEqual(['1', '2', 'b', '3', '4']);
  });

  it('forget who gave up waiting, and make room for another', async () => {
    const { turns, begun, start } = setup({ atOnce: 1, waiting: 1 });
    const first = start('a', '1');
    const abort = new AbortController();
    const second = start('a', '2', abort.signal);
    const reason = new Error('gone');
    abort.abort(reason);
    expect(await second.ended).toBe(reason);
    expect(await start('a', 'too late', abort.signal).ended).toBe(reason);
    const third = start('a', '3');
    for (const work of [first, third]) {
      work.end();
      await work.done;
    }
    expect(begun).toEqual(['1', '3']);
    expect(turns.size).toBe(0);
  });

  it('make nobody wait while fewer of its own run than may, whatever others do and however the bound changes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        let atOnce = 2;
        const turns = createBoundedTurns({ atOnce: () => atOnce, waiting: 3 });
        const keys = { a: new Key(), b: new Key(), c: new Key() };
        for (const { key: name, ...does } of steps) {
          const key = keys[name];
          if (does.kind === 'bound') ({ atOnce } = does);
          else if (does.kind === 'begin') {
            const isFull = turns.isFull(name);
            const work = key.begin(turns, name);
            await settled();
            expect(key.running.includes(work) || key.waiting.includes(work)).toBe(!isFull);
          } else if (does.kind === 'end') key.running.shift()?.end();
          else key.waiting.at(-1)?.giveUp();
          await settled();
          if (does.kind === 'bound' || does.kind === 'give up' || key.waiting.length === 0) continue;
          expect(key.running.length).toBeGreaterThanOrEqual(atOnce);
        }
        for (const key of Object.values(keys)) {
          while (key.running.length > 0) {
            key.running.shift()?.end();
            await settled();
          }
          expect(key.waiting).toEqual([]);
        }
        expect(turns.size).toBe(0);
      }),
    );
  });

  it('keep nothing of a key without work', async () => {
    const { turns, start } = setup();
    for (let round = 0; round < 3; round += 1) {
      const work = Array.from({ length: 100 }, (_, n) => start(`key ${n % 50}`));
      expect(turns.size).toBe(50);
      for (const { end } of work) end();
      await Promise.all(work.map(({ done }) => done));
      expect(turns.size).toBe(0);
    }
  });
});
