import { connect } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import express from 'express';
import { isPlatformError, PlatformError } from '../core/errors.ts';
import { createHttpServer } from '../platform/http/http-server.ts';
import { openStream } from '../test/support/event-stream.ts';
import { eventually } from '../test/support/eventually.ts';
import { ManualChanges } from '../test/support/manual-changes.ts';
import { createSendEvents, type EventStreamsOptions, type StreamedState } from './event-streams.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function setup(options: Omit<EventStreamsOptions, 'changes'> = {}) {
  const changes = new ManualChanges();
  const row = { state: 1, event: 'progress' as StreamedState['event'], fails: false };
  const sendEvents = createSendEvents({ changes, ...options });
  const app = express();
  app.get('/:tenantId', (req, res) => {
    const read = () => {
      if (row.fails) throw new PlatformError('NOT_FOUND', 'gone');
      return Promise.resolve({ ...row });
    };
    const watched = { tenantId: req.params.tenantId, table: 'extension_upload', id: 'x', read } as const;
    return sendEvents(req, res, watched, ({ state, event }) => ({ event, data: { state } }));
  });
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- Express knows an error handler by its four parameters
  app.use((err: unknown, _req: express.Request, res: express.Response, _next: express.NextFunction) => {
    if (res.headersSent) res.destroy();
    else res.status(isPlatformError(err) ? err.status : 500).end();
  });
  const server = createHttpServer(app);
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  cleanups.push(() => server.close(1_000));
  const open = async (tenant = 'a', headers: Record<string, string> = {}) => {
    const stream = await openStream(`http://127.0.0.1:${port}/${tenant}`, headers);
    cleanups.push(() => {
      stream.leave();
      return Promise.resolve();
    });
    return stream;
  };
  const set = (state: number, event: StreamedState['event']): void => {
    Object.assign(row, { state, event });
    changes.changed();
  };
  return { changes, row, set, open, port };
}

describe('a stream of events', () => {
  it('sends the present state, each other one once and in order, and ends after the last', async () => {
    const { open, set, changes } = await setup();
    const stream = await open();
    expect(stream.headers.get('content-type')).toBe('text/event-stream');
    expect(stream.headers.get('cache-control')).toBe('no-store');
    await eventually(() => expect(stream.events).toHaveLength(1));
    set(2, 'progress');
    await eventually(() => expect(stream.events).toHaveLength(2));
    changes.changed(); // nothing that shows
    set(3, 'failed');
    await stream.ended;
    expect(stream.events.map(({ event, data }) => [event, data])).toEqual([
      ['progress', { state: 1 }],
      ['progress', { state: 2 }],
      ['failed', { state: 3 }],
    ]);
    expect(new Set(stream.events.map(({ id }) => id)).size).toBe(3);
  });

  it('goes on after the last id: a state that was seen is not sent again', async () => {
    const { open, set } = await setup();
    const first = await open();
    await eventually(() => expect(first.events).toHaveLength(1));
    first.leave();
    const again = await open('a', { 'last-event-id': first.events[0]?.id ?? '' });
    set(2, 'done');
    await again.ended;
    expect(again.events.map(({ event, data }) => [event, data])).toEqual([['done', { state: 2 }]]);
  });

  it('is a 204 for who has seen the last state, so that an EventSource stays away', async () => {
    const { open, set } = await setup();
    set(2, 'done');
    const first = await open();
    await first.ended;
    const again = await open('a', { 'last-event-id': first.events[0]?.id ?? '' });
    expect(again.status).toBe(204);
  });

  it('beats while nothing happens', async () => {
    const { open } = await setup({ heartbeatMs: 10 });
    const stream = await open();
    await eventually(() => expect(stream.heartbeats()).toBeGreaterThan(2));
    expect(stream.events).toHaveLength(1);
  });

  it('leaves nothing behind when its client goes away', async () => {
    const { open, changes } = await setup({ maxPerTenant: 1 });
    const stream = await open();
    await eventually(() => expect(stream.events).toHaveLength(1));
    expect(changes.wakes.size).toBe(1);
    stream.leave();
    await eventually(() => expect(changes.wakes.size).toBe(0));
    await eventually(async () => expect((await open()).status).toBe(200));
  });

  it('is refused with 429 beyond the bound of its tenant, which is no other tenant’s', async () => {
    const { open } = await setup({ maxPerTenant: 2 });
    await open('a');
    await open('a');
    expect((await open('a')).status).toBe(429);
    expect((await open('b')).status).toBe(200);
  });

  it('is an ordinary error where there is nothing to watch, and takes no place', async () => {
    const { open, row } = await setup({ maxPerTenant: 1 });
    row.fails = true;
    expect((await open()).status).toBe(404);
    row.fails = false;
    expect((await open()).status).toBe(200);
  });

  it('is cut when the row can be read no more', async () => {
    const { open, row, changes } = await setup();
    const stream = await open();
    await eventually(() => expect(stream.events).toHaveLength(1));
    row.fails = true;
    changes.changed();
    await expect(stream.ended).rejects.toThrow();
    expect(changes.wakes.size).toBe(0);
  });

  it('ends at its age, and when the gateway closes', async () => {
    const { open } = await setup({ lifetimeMs: 20 });
    await (
      await open()
    ).ended;
    const closing = await setup();
    const stream = await closing.open();
    await eventually(() => expect(stream.events).toHaveLength(1));
    closing.changes.close();
    await stream.ended;
  });

  it('ends at its age also for a client that does not read', async () => {
    const { changes, row, port } = await setup({ lifetimeMs: 500, heartbeatMs: 5 });
    const socket = connect(port, '127.0.0.1');
    cleanups.push(() => {
      socket.destroy();
      return Promise.resolve();
    });
    socket.pause().write('GET /a HTTP/1.1\r\nhost: x\r\n\r\n');
    await eventually(() => expect(changes.wakes.size).toBe(1));
    Object.assign(row, { state: 'x'.repeat(20_000_000) });
    changes.changed();
    await eventually(() => expect(changes.wakes.size).toBe(0));
  });
});
