import { logInfo } from 'alga:extension/logging';
import { get } from 'alga:extension/storage';
import type { ExecuteRequest, ExecuteResponse } from 'alga:extension/types';

function fib(n: number): number {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

export function handler({ http }: ExecuteRequest): ExecuteResponse {
  if (http.url === '/fib') fib(18);
  if (http.url === '/json') {
    const { key, revision } = get('counters', 'one');
    logInfo(JSON.stringify({ url: http.url, headers: http.headers, key, revision: String(revision) }));
  }
  return { status: 200, headers: http.headers, body: http.body };
}
