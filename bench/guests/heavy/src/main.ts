import { logInfo } from 'alga:extension/logging';
import { listEntries, put } from 'alga:extension/storage';
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
  '/log': () => {
    for (let line = 0; line < LINES; line += 1) logInfo('x'.repeat(1_000));
    return LINES;
  },
};

export function handler({ http }: ExecuteRequest): ExecuteResponse {
  const count = routes[http.url]?.();
  return {
    status: count === undefined ? 404 : 200,
    headers: [{ name: 'content-type', value: 'text/plain' }],
    body: new TextEncoder().encode(String(count)),
  };
}
