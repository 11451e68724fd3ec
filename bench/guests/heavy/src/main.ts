import { logInfo } from 'alga:extension/logging';
import { get, listEntries, put } from 'alga:extension/storage';
import { increment } from 'alga:extension/storage-v2';
import type { ExecuteRequest, ExecuteResponse } from 'alga:extension/types';

/** Records that grow at one call, which is what limits are checked for. */
const PUTS = 10;
/** As many as are kept of one call, and some. */
const LINES = 300;

/** What each route does and answers a count of. */
const routes: Record<string, () => number> = {
  '/nothing': () => 0,
  '/list': () => listEntries('large', undefined).length,
  '/write': () => {
    const namespace = `full-${String(Math.floor(Math.random() * 29))}`;
    const first = Math.floor(Math.random() * 5_000);
    for (let key = first; key < first + PUTS; key += 1) {
      const value = new Uint8Array(100 + Math.floor(Math.random() * 400));
      put({ namespace, key: `key-${String(key)}`, value, revision: undefined });
    }
    return PUTS;
  },
  '/count': () => Number(increment('counters', 'one', 1n, undefined)),
  '/read-and-write': readAndWrite,
  '/log': () => {
    for (let line = 0; line < LINES; line += 1) logInfo('x'.repeat(1_000));
    return LINES;
  },
};

/** What counting took before there was `increment`: whoever comes second reads again. */
function readAndWrite(): number {
  for (;;) {
    const current = attempt('missing', () => get('counters', 'other'));
    const count = (current ? Number(new TextDecoder().decode(current.value)) : 0) + 1;
    const value = new TextEncoder().encode(String(count));
    const entry = { namespace: 'counters', key: 'other', value, revision: current?.revision ?? 0n };
    if (attempt('conflict', () => put(entry))) return count;
  }
}

/** Undefined if it ends with that error. */
function attempt<Result>(error: string, what: () => Result): Result | undefined {
  try {
    return what();
  } catch (thrown) {
    if ((thrown as { payload?: unknown }).payload === error) return undefined;
    throw thrown;
  }
}

export function handler({ http }: ExecuteRequest): ExecuteResponse {
  const count = routes[http.url]?.();
  return {
    status: count === undefined ? 404 : 200,
    headers: [{ name: 'content-type', value: 'text/plain' }],
    body: new TextEncoder().encode(String(count)),
  };
}
