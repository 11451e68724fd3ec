import { logInfo } from 'alga:extension/logging';
import { get } from 'alga:extension/storage';
import type { ExecuteRequest, ExecuteResponse } from 'alga:extension/types';

const GROWTH_BYTES = 4 * 1024 * 1024;

function fib(n: number): number {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

export function handler({ http }: ExecuteRequest): ExecuteResponse {
  const [, what, argument] = http.url.split('/');
  if (what === 'fib') fib(Number(argument));
  if (what === 'grow') new Uint8Array(GROWTH_BYTES).fill(1);
  if (what === 'wait') get('counters', 'one');
  while (what === 'loop') fib(5);
  if (what === 'json') {
    const { key, revision } = get('counters', 'one');
    logInfo(JSON.stringify({ url: http.url, headers: http.headers, key, revision: String(revision) }));
  }
  return { status: 200, headers: http.headers, body: http.body };
}
