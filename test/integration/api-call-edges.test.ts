import { connect } from 'node:net';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import { installSample, problem, startApi, type TestApi } from '../support/start-api.ts';

const PAGE = 'https://app.example.com';
const MIB = 1024 * 1024;

let api: TestApi;
let tenantId: string;
let admin: string;
let root: string;

beforeAll(async () => {
  api = await startApi('api_call_edges', () => ({
    EXT_GATEWAY_CORS_ORIGINS: `${PAGE}, http://127.0.0.1:5000`,
  }));
  ({ tenantId, key: admin } = await api.tenant());
  root = `/api/ext/${(await installSample(api, tenantId)).extensionId}`;
});
afterAll(() => api.close());
beforeEach(() => {
  api.runner.seen.length = 0;
  api.runner.reply = () => ({ body: 'hello', headers: { 'content-type': 'text/plain', vary: 'accept' } });
});

const last = () => {
  const seen = api.runner.seen.at(-1);
  if (!seen) throw new Error('the runner saw nothing');
  return seen;
};

/** All that comes back on a connection of its own until it ends. */
async function spoken(lines: string[]): Promise<string> {
  const { hostname, port } = new URL(api.url);
  const socket = connect(Number(port), hostname);
  socket.write([...lines, 'host: x', '', ''].join('\r\n'));
  return text(socket);
}

describe('a body', () => {
  it('of 10 MiB reaches the runner whole, and one that is larger is refused', async () => {
    const body = new Uint8Array(10 * MIB).fill(97);
    const answer = await api.request('POST', `${root}/notes`, { key: admin, body });
    expect(answer.status).toBe(200);
    expect(last().body).toHaveLength(10 * MIB);
    expect(Buffer.from(last().body).equals(Buffer.from(body))).toBe(true);
    const larger = await api.request('POST', `${root}/notes`, {
      key: admin,
      body: new Uint8Array(10 * MIB + 1),
    });
    expect(larger).toMatchObject(problem(413, 'BODY_TOO_LARGE'));
    expect(larger.json['detail']).toContain(String(10 * MIB));
    expect(api.runner.seen).toHaveLength(1);
  });

  it('whose key is revoked while it comes is not dispatched', async () => {
    const key = await api.key(tenantId, ['extension:write']);
    const { hostname, port } = new URL(api.url);
    const socket = connect(Number(port), hostname);
    const answer = text(socket);
    const head = [
      `POST ${root}/notes HTTP/1.1`,
      'host: x',
      `authorization: Bearer ${key}`,
      'connection: close',
    ];
    socket.write([...head, 'expect: 100-continue', 'content-length: 2', '', 'a'].join('\r\n'));
    await once(socket, 'data'); // it was allowed to go on
    const { json } = await api.request('GET', '/api/v1/api-keys?limit=200', { key: admin });
    const made = (json['items'] as { id: string; prefix: string }[]).find(({ prefix }) =>
      key.startsWith(prefix),
    );
    expect((await api.request('DELETE', `/api/v1/api-keys/${made?.id}`, { key: admin })).status).toBe(204);
    await setTimeout(800); // what allowed it is too old by then
    socket.write('b');
    expect(await answer).toMatch(/^HTTP\/1\.1 401 /m);
    expect(api.runner.seen).toEqual([]);
  });

  it('is not sent by who asks first and may not call, and no other route keeps who asks waiting', async () => {
    const ask = (path: string, key: string): Promise<string> =>
      spoken([
        `POST ${path} HTTP/1.1`,
        `authorization: Bearer ${key}`,
        'connection: close',
        'content-length: 2',
        'expect: 100-continue',
      ]);
    const reader = await api.key(tenantId, ['extension:read']);
    expect(await ask(`${root}/notes`, 'nobody')).toMatch(/^HTTP\/1\.1 401 /);
    expect(await ask(`${root}/notes`, reader)).toMatch(/^HTTP\/1\.1 403 /);
    expect(await ask(`${root}/nothing`, admin)).toMatch(/^HTTP\/1\.1 404 /);
    expect(api.runner.seen).toEqual([]);
    expect(await ask('/api/v1/api-keys', 'nobody')).toMatch(
      /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 401 /,
    );
  });

  it('that goes on after it was refused ends with its connection', async () => {
    const { hostname, port } = new URL(api.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    socket.write(`POST ${root}/notes HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999999\r\n\r\n`);
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    const sending = setInterval(() => socket.write('x'), 50);
    await once(socket, 'close');
    clearInterval(sending);
    expect(answer).toMatch(/^HTTP\/1\.1 401 /);
  }, 20_000);
});

describe('a trace', () => {
  const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

  it('goes on through the guest, and is in the execution’s row', async () => {
    const headers = { traceparent: `00-${TRACE}-00f067aa0ba902b7-01`, tracestate: 'vendor=1' };
    const answer = await api.request('GET', `${root}/notes/1`, { key: admin, headers });
    const executionId = String(answer.headers.get('x-execution-id'));
    const parentId = executionId.replaceAll('-', '').slice(16);
    expect(last().request.http.headers).toMatchObject({
      traceparent: `00-${TRACE}-${parentId}-01`,
      tracestate: 'vendor=1',
    });
    const { json } = await api.request('GET', `/api/v1/executions/${executionId}`, { key: admin });
    expect(json).toMatchObject({ traceId: TRACE });
  });

  it('is in the log of what fails', async () => {
    api.runner.reply = () => 'hang-up';
    const headers = { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` };
    await api.request('GET', `${root}/notes/1`, { key: admin, headers });
    expect(api.log.findLast((line) => line.includes('OUTCOME_UNKNOWN'))).toContain(TRACE);
  });

  it('begins here where there is none, or none that is one', async () => {
    for (const headers of [{}, { traceparent: 'hello' }]) {
      const answer = await api.request('GET', `${root}/notes/1`, { key: admin, headers });
      const own = String(answer.headers.get('x-execution-id')).replaceAll('-', '');
      expect(last().request.http.headers).toMatchObject({ traceparent: `00-${own}-${own.slice(16)}-00` });
    }
  });
});

describe('a page', () => {
  const preflight = (origin: string, path = `${root}/notes`) =>
    api.request('OPTIONS', path, {
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization, content-type',
      },
    });

  it('of an origin that is configured may call with a key, and with no credentials of the browser', async () => {
    const answer = await preflight(PAGE);
    expect(answer.status).toBe(204);
    expect(answer.headers.get('access-control-allow-origin')).toBe(PAGE);
    expect(answer.headers.get('access-control-allow-headers')).toBe('authorization, content-type');
    expect(answer.headers.get('access-control-allow-methods')).toContain('POST');
    expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
    expect(answer.headers.get('vary')?.toLowerCase()).toContain('origin');
    const call = await api.request('GET', `${root}/notes/1`, { key: admin, headers: { origin: PAGE } });
    expect(call.headers.get('access-control-allow-origin')).toBe(PAGE);
    expect(call.headers.get('access-control-expose-headers')).toContain('x-execution-id');
    expect(call.headers.get('vary')).toBe('accept, authorization, origin');
    // Refusals too, or the page could not read why.
    const refused = await api.request('GET', `${root}/notes/1`, { headers: { origin: PAGE } });
    expect(refused).toMatchObject(problem(401, 'UNAUTHENTICATED'));
    expect(refused.headers.get('access-control-allow-origin')).toBe(PAGE);
    expect(api.runner.seen).toHaveLength(1);
  });

  it.each([
    'https://evil.example.com',
    'https://app.example.com.evil.example',
    'http://app.example.com',
    'https://app.example.com:8443',
    'https://APP.example.com',
    'null',
    '*',
  ])('of %s is told nothing', async (origin) => {
    const answer = await preflight(origin);
    expect(answer).toMatchObject(problem(401, 'UNAUTHENTICATED'));
    const call = await api.request('GET', `${root}/notes/1`, { key: admin, headers: { origin } });
    for (const { headers } of [answer, call]) {
      expect(headers.get('access-control-allow-origin')).toBeNull();
      expect(headers.get('vary')?.toLowerCase()).toContain('origin');
    }
  });

  it('is answered alike whatever there is', async () => {
    const answers = await Promise.all(
      [`${root}/notes`, `${root}/nothing`, '/api/ext/acme.nothing/x', '/api/ext-proxy/acme.nothing/x'].map(
        async (path) => {
          const { status, text: body, headers } = await preflight(PAGE, path);
          return {
            status,
            body,
            headers: [...headers].filter(([name]) => !/^(x-request-id|date)$/.test(name)),
          };
        },
      ),
    );
    for (const answer of answers) expect(answer).toEqual(answers[0]);
  });

  it('may call nothing else', async () => {
    const answer = await preflight(PAGE, '/api/v1/installs');
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
  });
});

it('an execution’s row has what it used, and nothing of query or bodies', async () => {
  const secret = 'sk-very-secret';
  api.runner.reply = () => ({
    body: secret,
    metrics: { duration_ms: 1, cpu_ms: 2.5, fuel: 1234, memory_bytes: 4096, egress_bytes: 0 },
  });
  const headers = { 'content-type': 'text/plain', 'user-agent': secret };
  const path = `${root}/notes?token=${secret}#${secret}`;
  const answer = await api.request('POST', path, { key: admin, body: secret, headers });
  const executionId = String(answer.headers.get('x-execution-id'));
  await eventually(async () => {
    const { json } = await api.request('GET', `/api/v1/executions/${executionId}`, { key: admin });
    expect(json).toMatchObject({
      status: 'succeeded',
      path: '/notes',
      cpuMs: 2.5,
      fuel: 1234,
      memoryBytes: 4096,
      requestBytes: secret.length,
      responseBytes: secret.length,
    });
  });
  const rows = (await api.db('extension_execution_log').where({ execution_id: executionId })) as object[];
  expect(JSON.stringify(rows)).not.toContain(secret);
  expect(api.log.join('')).not.toContain(secret);
});
