import { describe, expect, it } from '@jest/globals';
import { createBoundedTurns } from './bounded-turns.ts';

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
