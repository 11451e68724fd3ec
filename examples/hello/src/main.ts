import { getContext } from 'alga:extension/context';
import { getConfig } from 'alga:extension/context-v2';
import { logInfo } from 'alga:extension/logging';
import { get, put, type StorageEntry } from 'alga:extension/storage';
import type { ExecuteRequest, ExecuteResponse, HttpRequest } from 'alga:extension/types';

const NAMESPACE = 'counters';

export function handler({ http }: ExecuteRequest): ExecuteResponse {
  const response = route(http);
  logInfo(`${http.method} ${http.url} -> ${String(response.status)}`);
  return response;
}

function route(request: HttpRequest): ExecuteResponse {
  const path = request.url.replace(/\?.*$/, '');
  const name = /^\/hello\/([^/]+)$/.exec(path)?.[1];
  if (request.method === 'GET' && name !== undefined) return hello(decodeURIComponent(name));
  if (request.method === 'POST' && path === '/echo') return echo(request);
  if (request.method === 'GET' && path === '/health') return json(200, { ok: true });
  return json(404, { error: 'not-found', path });
}

function hello(name: string): ExecuteResponse {
  const { greeting = 'Hello' } = JSON.parse(getConfig()) as { greeting?: string };
  return json(200, {
    greeting: `${greeting}, ${name}!`,
    tenant: getContext().tenantId,
    count: countUp(name),
  });
}

function echo({ headers, body }: HttpRequest): ExecuteResponse {
  const type = headers.find((header) => header.name.toLowerCase() === 'content-type')?.value;
  return {
    status: 200,
    headers: [{ name: 'content-type', value: type ?? 'application/octet-stream' }],
    body,
  };
}

/**
 * Adds one to a counter and answers with its new value. No count is lost: whoever counts at the same time and comes second reads again,
 * until the call's own deadline.
 */
function countUp(key: string): number {
  for (;;) {
    const current = read(key);
    const count = (current ? Number(new TextDecoder().decode(current.value)) : 0) + 1;
    const value = new TextEncoder().encode(String(count));
    try {
      put({ namespace: NAMESPACE, key, value, revision: current?.revision ?? 0n });
      return count;
    } catch (error) {
      if (errorOf(error) !== 'conflict') throw error;
    }
  }
}

function read(key: string): StorageEntry | undefined {
  try {
    return get(NAMESPACE, key);
  } catch (error) {
    if (errorOf(error) === 'missing') return undefined;
    throw error;
  }
}

/** The case of an interface's error; undefined for any other error. */
function errorOf(error: unknown): unknown {
  return (error as { payload?: unknown }).payload;
}

function json(status: number, value: unknown): ExecuteResponse {
  return {
    status,
    headers: [{ name: 'content-type', value: 'application/json' }],
    body: new TextEncoder().encode(JSON.stringify(value)),
  };
}
