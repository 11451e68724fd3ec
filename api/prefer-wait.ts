import type { Request, Response } from 'express';
import type { RowChanges } from '../platform/db/row-changes.ts';
import { readingsOf, type WatchedRow } from './watch-row.ts';

const MAX_SECONDS = 60;
/** Of one tenant at once, in one gateway: each reads when its row changes, through connections that all tenants share. */
const MAX_WAITING = 100;

/** Seconds of `Prefer: wait=N` (RFC 7240), at most 60; 0 if the client does not ask to wait. */
export function preferredWait(req: Request): number {
  for (const preference of (req.get('prefer') ?? '').split(',')) {
    const [, seconds] = /^\s*wait\s*=\s*"?(\d{1,6})"?\s*(?:;|$)/i.exec(preference) ?? [];
    if (seconds !== undefined) return Math.min(Number(seconds), MAX_SECONDS);
  }
  return 0;
}

/**
 * Answers the row once it is `done`, or as it stands when the preferred time is over, the client goes away or the gateway closes. Rows
 * are waited for and not workflows: they show the same progress and need no Temporal. Where too many of the tenant wait already, the
 * preference is not honoured (RFC 7240 §2 leaves that to the server), and the answer does not say that it was.
 */
export async function waitAsPreferred<Row>(
  changes: RowChanges,
  req: Request,
  res: Response,
  watched: WatchedRow<Row>,
  done: (row: Row) => boolean,
): Promise<Row> {
  const seconds = preferredWait(req);
  if (seconds === 0 || changes.waitingOf(watched.tenantId) >= MAX_WAITING) return watched.read();
  res.set('preference-applied', `wait=${seconds}`);
  const over = new AbortController();
  const stop = (): void => over.abort();
  const deadline = setTimeout(stop, seconds * 1000);
  res.once('close', stop);
  try {
    for await (const row of readingsOf(changes, watched, over.signal)) if (done(row)) return row;
  } finally {
    clearTimeout(deadline);
    res.off('close', stop);
  }
  return watched.read();
}
