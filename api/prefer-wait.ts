import type { Request, Response } from 'express';

const MAX_SECONDS = 60;
const POLL_MS = 50;

/** Seconds of `Prefer: wait=N` (RFC 7240), at most 60; 0 if the client does not ask to wait. */
export function preferredWait(req: Request): number {
  for (const preference of (req.get('prefer') ?? '').split(',')) {
    const [, seconds] = /^\s*wait\s*=\s*"?(\d{1,6})"?\s*(?:;|$)/i.exec(preference) ?? [];
    if (seconds !== undefined) return Math.min(Number(seconds), MAX_SECONDS);
  }
  return 0;
}

/**
 * Reads until `done` or until the preferred time is over, and answers what it read last. Stops when the client goes away.
 * Rows are read, not workflows: they show the same progress and need no Temporal.
 */
export async function waitAsPreferred<Row>(
  req: Request,
  res: Response,
  read: () => Promise<Row>,
  done: (row: Row) => boolean,
): Promise<Row> {
  const seconds = preferredWait(req);
  if (seconds > 0) res.set('preference-applied', `wait=${seconds}`);
  const deadline = Date.now() + seconds * 1000;
  let row = await read();
  while (!done(row) && Date.now() < deadline && !res.closed) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    row = await read();
  }
  return row;
}
