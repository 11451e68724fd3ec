import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Request, Response } from 'express';
import { PlatformError } from '../core/errors.ts';
import type { RowChanges } from '../platform/db/row-changes.ts';
import { readingsOf, type WatchedRow } from './watch-row.ts';

const ID_LENGTH = 22;
const HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no', // or nginx holds events back until its buffer is full
};

/** A state of a resource as a stream shows it; `done` and `failed` are its last. */
export interface StreamedState {
  event: 'progress' | 'done' | 'failed';
  /** The resource in its wire form. */
  data: unknown;
}

export interface EventStreamsOptions {
  changes: RowChanges;
  heartbeatMs?: number;
  /** A stream ends after this; the client comes back with its last id, and is authenticated anew. */
  lifetimeMs?: number;
  /** Open at once in this gateway. */
  maxPerTenant?: number;
}

/**
 * Server-Sent Events of one row: each state that differs from the one before. The id of an event is a digest of its data, so a client
 * that comes back with `Last-Event-ID` is not sent what it has seen; if that was the last state it gets a 204, upon which an EventSource
 * stays away. Throws CONCURRENCY_LIMITED, and whatever `read` throws at first.
 */
export type SendEvents = <Row>(
  req: Request,
  res: Response,
  watched: WatchedRow<Row>,
  show: (row: Row) => StreamedState | Promise<StreamedState>,
) => Promise<void>;

export function createSendEvents(options: EventStreamsOptions): SendEvents {
  const { changes, heartbeatMs = 15_000, lifetimeMs = 10 * 60_000, maxPerTenant = 50 } = options;
  const open = new Map<string, number>();

  function enter(tenantId: string): () => void {
    const others = open.get(tenantId) ?? 0;
    if (others >= maxPerTenant) {
      throw new PlatformError(
        'CONCURRENCY_LIMITED',
        `${others} event streams are open in this tenant; close some`,
      );
    }
    open.set(tenantId, others + 1);
    return () => {
      const left = (open.get(tenantId) ?? 1) - 1;
      if (left === 0) open.delete(tenantId);
      else open.set(tenantId, left);
    };
  }

  return async (req, res, watched, show) => {
    const leave = enter(watched.tenantId);
    const over = new AbortController();
    const stop = (): void => over.abort();
    res.once('close', stop);
    const lifetime = setTimeout(stop, lifetimeMs);
    const heartbeat = setInterval(() => {
      if (res.headersSent && !res.writableNeedDrain) res.write(':\n\n');
    }, heartbeatMs);
    try {
      await sendStates(req, res, { states: statesOf(watched, over.signal, show), signal: over.signal });
    } finally {
      clearTimeout(lifetime);
      clearInterval(heartbeat);
      res.off('close', stop);
      leave();
    }
    if (res.writableNeedDrain)
      res.destroy(); // it has stopped reading: an end would wait behind what it has not taken
    else res.end();
  };

  async function* statesOf<Row>(
    watched: WatchedRow<Row>,
    signal: AbortSignal,
    show: (row: Row) => StreamedState | Promise<StreamedState>,
  ): AsyncGenerator<StreamedState, void, void> {
    for await (const row of readingsOf(changes, watched, signal)) yield await show(row);
  }
}

async function sendStates(
  req: Request,
  res: Response,
  { states, signal }: { states: AsyncIterable<StreamedState>; signal: AbortSignal },
): Promise<void> {
  let seen = req.get('last-event-id');
  for await (const { event, data } of states) {
    const text = JSON.stringify(data);
    const id = createHash('sha256').update(text).digest('base64url').slice(0, ID_LENGTH);
    const isLast = event !== 'progress';
    if (!res.headersSent) {
      if (isLast && id === seen) return void res.status(204);
      res.writeHead(200, HEADERS).flushHeaders();
      if (req.method === 'HEAD') return;
    }
    if (id !== seen && !res.write(`id: ${id}\nevent: ${event}\ndata: ${text}\n\n`)) {
      await once(res, 'drain', { signal }).catch(() => undefined); // aborted: the loop ends by itself
    }
    if (isLast) return;
    seen = id;
  }
}
