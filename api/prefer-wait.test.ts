import { afterEach, describe, expect, it } from '@jest/globals';
import express from 'express';
import { createHttpServer } from '../platform/http/http-server.ts';
import { eventually } from '../test/support/eventually.ts';
import { ManualChanges } from '../test/support/manual-changes.ts';
import { waitAsPreferred } from './prefer-wait.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

/** A route that waits for `state` to become 2. */
async function setup() {
  const changes = new ManualChanges();
  const row = { state: 1, reads: 0, reading: 0, most: 0 };
  const app = express();
  app.get('/', async (req, res) => {
    const read = async (): Promise<number> => {
      row.reads += 1;
      row.reading += 1;
      row.most = Math.max(row.most, row.reading);
      await Promise.resolve();
      row.reading -= 1;
      return row.state;
    };
    const watched = { tenantId: 'a', table: 'extension_upload', id: 'x', read } as const;
    res.json(await waitAsPreferred(changes, req, res, watched, (state) => state === 2));
  });
  const server = createHttpServer(app);
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  cleanups.push(() => server.close(1_000));
  const ask = (prefer?: string, signal?: AbortSignal) =>
    fetch(`http://127.0.0.1:${port}/`, {
      headers: prefer === undefined ? {} : { prefer },
      ...(signal && { signal }),
    });
  const waits = () => eventually(() => expect([changes.wakes.size, row.reads]).toEqual([1, 1]));
  return { changes, row, ask, waits };
}

describe('Prefer: wait', () => {
  it('answers upon the change, having read once before it and once after', async () => {
    const { changes, row, ask, waits } = await setup();
    const waiting = ask('wait=60');
    await waits();
    row.state = 2;
    changes.changed();
    const answer = await waiting;
    expect(await answer.json()).toBe(2);
    expect(answer.headers.get('preference-applied')).toBe('wait=60');
    expect(row.reads).toBe(2);
    expect(changes.wakes.size).toBe(0);
  });

  it('is not honoured, and not said to be, while too many of the tenant wait already', async () => {
    const { changes, ask } = await setup();
    changes.waitingOf = () => 100;
    const answer = await ask('wait=60');
    expect(await answer.json()).toBe(1);
    expect(answer.headers.get('preference-applied')).toBeNull();
    expect(changes.wakes.size).toBe(0);
  });

  it('reads one after the other, however many of the tenant a change wakes', async () => {
    const { changes, row, ask } = await setup();
    const waiting = Array.from({ length: 8 }, () => ask('wait=60'));
    await eventually(() => expect([changes.wakes.size, row.reads]).toEqual([8, 8]));
    row.state = 2;
    row.most = 0;
    changes.changed();
    for (const answer of await Promise.all(waiting)) expect(await answer.json()).toBe(2);
    expect(row.most).toBe(1);
  });

  it('misses no change that comes while it reads', async () => {
    const { changes, row, ask } = await setup();
    const subscribe = changes.subscribe.bind(changes);
    changes.subscribe = (...args) => {
      const stop = subscribe(...args);
      queueMicrotask(() => {
        row.state = 2; // after the row was read, and before anybody waits for it
        changes.changed();
      });
      return stop;
    };
    expect(await (await ask('wait=60')).json()).toBe(2);
  });

  it('answers what there is when the time is over, and at once to who does not ask to wait', async () => {
    const { row, ask } = await setup();
    expect(await (await ask('respond-async, wait=1')).json()).toBe(1);
    expect(row.reads).toBe(2);
    const plain = await ask();
    expect(await plain.json()).toBe(1);
    expect(plain.headers.get('preference-applied')).toBeNull();
  });

  it('answers what there is when the gateway closes', async () => {
    const { changes, ask, waits } = await setup();
    const waiting = ask('wait=60');
    await waits();
    changes.close();
    expect(await (await waiting).json()).toBe(1);
  });

  it('leaves nothing behind when its client goes away', async () => {
    const { changes, ask, waits } = await setup();
    const gone = new AbortController();
    const waiting = ask('wait=60', gone.signal);
    await waits();
    gone.abort();
    await expect(waiting).rejects.toThrow();
    await eventually(() => expect(changes.wakes.size).toBe(0));
  });
});
