import { getContext } from 'alga:extension/context';
import { getConfig } from 'alga:extension/context-v2';
import { logInfo } from 'alga:extension/logging';
import { increment } from 'alga:extension/storage-v2';
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
    // However many count at the same time, each gets a number of its own.
    count: Number(increment(NAMESPACE, name, 1n, undefined)),
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

function json(status: number, value: unknown): ExecuteResponse {
  return {
    status,
    headers: [{ name: 'content-type', value: 'application/json' }],
    body: new TextEncoder().encode(JSON.stringify(value)),
  };
}
