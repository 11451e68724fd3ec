import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, RequestListener } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from '@jest/globals';
import { HOST_FRAME_TYPE } from '../core/api/host-storage.ts';
import { decodeFrame, encodeFrame } from '../core/execute-frame.ts';
import { SecretValue } from '../core/secret-value.ts';
import { createHttpServer } from '../platform/http/http-server.ts';
import { createLogger } from '../platform/logger.ts';
import type { CallContext } from './capabilities/capability.ts';
import { createGatewayClient } from './gateway-client.ts';

const logger = createLogger({ level: 'silent', process: 'runner' });
const HASH = `sha256:${'a'.repeat(64)}`;

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function setup(answer: (path: string) => [number, unknown] | undefined) {
  const seen: { path: string; headers: IncomingHttpHeaders; body: Buffer }[] = [];
  const handle: RequestListener = (req, res) => {
    void buffer(req).then((body) => {
      seen.push({ path: req.url ?? '', headers: req.headers, body });
      const [status, given] = answer(req.url ?? '') ?? [];
      if (status === undefined) return;
      const type = Buffer.isBuffer(given) ? HOST_FRAME_TYPE : 'application/json';
      res.writeHead(status, { 'content-type': type });
      res.end(Buffer.isBuffer(given) ? given : JSON.stringify(given));
    });
  };
  const server = createHttpServer(handle);
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  cleanups.push(() => server.close(0));
  const client = createGatewayClient(
    { baseUrl: `http://127.0.0.1:${port}`, token: new SecretValue('runner-token') },
    logger,
  );
  cleanups.push(() => client.close());
  const abort = new AbortController();
  // The client reads these of a call and nothing else.
  const read: Partial<CallContext> = {
    executionToken: 'execution-token',
    signal: abort.signal,
    timeLeftMs: () => 1_234.5,
  };
  const call = read as CallContext;
  return { client, seen, call, abort, stop: () => server.close(0) };
}

describe("the gateway's client", () => {
  it('presents the runner and the execution with every host call', async () => {
    const { client, seen, call } = await setup(() => [200, { value: 1 }]);
    expect(await client.call('storage/get', { key: 'a' }, call)).toEqual({ body: { value: 1 } });
    expect(seen[0]).toMatchObject({
      path: '/api/internal/host/storage/get',
      headers: {
        authorization: 'Bearer runner-token',
        'x-execution-token': 'execution-token',
        'x-deadline-ms': '1234',
      },
    });
  });

  it('frames bytes both ways, and sends JSON without them', async () => {
    const bytes = Buffer.from([0, 255, 1]);
    const { client, seen, call } = await setup(() => [
      200,
      Buffer.concat(encodeFrame({ revision: 1 }, bytes)),
    ]);
    const answer = await client.call('storage/put', { key: 'a' }, call, bytes);
    expect(answer).toMatchObject({ body: { revision: 1 } });
    expect(Buffer.from((answer as { bytes: Uint8Array }).bytes).equals(bytes)).toBe(true);
    expect(seen[0]?.headers).toMatchObject({
      'content-type': HOST_FRAME_TYPE,
      accept: `${HOST_FRAME_TYPE}, application/json;q=0.5`,
    });
    const sent = decodeFrame(seen[0]?.body ?? Buffer.alloc(0));
    expect(sent?.head).toEqual({ key: 'a' });
    expect(Buffer.from(sent?.body ?? []).equals(bytes)).toBe(true);
    await client.call('storage/get', { key: 'a' }, call);
    expect(seen[1]?.headers['content-type']).toBe('application/json');
    expect(JSON.parse(String(seen[1]?.body))).toEqual({ key: 'a' });
  });

  it('hands on what a problem says is wrong, of faults in the arguments each, and not without end', async () => {
    const told = { type: 't', title: 't', status: 400, requestId: 'r', detail: 'a namespace is full' };
    const issues = [
      { path: 'key', code: 'c', message: 'is too long' },
      { path: 'limit', code: 'c', message: 'x'.repeat(2_000) },
    ];
    const { client, call } = await setup((path) => [
      400,
      path.endsWith('put') ? { ...told, code: 'STORAGE_LIMIT' } : { ...told, code: 'INPUT_INVALID', issues },
    ]);
    expect(await client.call('storage-v2/put', {}, call)).toEqual({
      code: 'STORAGE_LIMIT',
      detail: 'a namespace is full',
    });
    expect(await client.call('storage-v2/list', {}, call)).toEqual({
      code: 'INPUT_INVALID',
      detail: `key: is too long; limit: ${'x'.repeat(2_000)}`.slice(0, 1_000),
    });
  });

  it('takes a frame that is none for a gateway that did not answer', async () => {
    const { client, call } = await setup(() => [200, Buffer.from('oops')]);
    expect(await client.call('storage/get', {}, call)).toEqual({ code: 'GATEWAY_UNAVAILABLE' });
  });

  it('answers the code of a problem, and INTERNAL for what is none', async () => {
    const { client, call } = await setup((path) =>
      path.endsWith('get') ? [404, { code: 'STORAGE_MISSING' }] : [500, 'oops'],
    );
    expect(await client.call('storage/get', {}, call)).toEqual({ code: 'STORAGE_MISSING' });
    expect(await client.call('storage/put', {}, call)).toEqual({ code: 'INTERNAL' });
  });

  it('lets no host call wait behind questions about UIs', async () => {
    const { client, call, seen, stop } = await setup((path) =>
      path.includes('/host/') ? [200, {}] : undefined,
    );
    const questions = Array.from({ length: 200 }, () => client.uiInstall(randomUUID(), HASH));
    let answered = 0;
    const ends = Promise.all(questions.map((question) => question.catch(() => (answered += 1))));
    expect(await client.call('storage/get', {}, call)).toEqual({ body: {} });
    expect([answered, seen.length < 100]).toEqual([0, true]);
    await stop();
    cleanups.shift();
    await ends;
  });

  it('lets no call of the gateway’s own wait behind what it asks of a host application that has frozen', async () => {
    const { client, call, abort } = await setup((path) =>
      path.includes('/storage/') ? [200, {}] : undefined,
    );
    const frozen = Array.from({ length: 600 }, () => client.call('clients/list-clients', {}, call));
    expect(await client.call('storage/get', {}, call)).toEqual({ body: {} });
    abort.abort();
    expect(new Set((await Promise.all(frozen)).map((answer) => JSON.stringify(answer)))).toEqual(
      new Set(['{"code":"GATEWAY_UNAVAILABLE"}']),
    );
  });

  it('says when the gateway is away', async () => {
    const { client, call, stop } = await setup(() => undefined);
    await stop();
    cleanups.shift();
    expect(await client.call('storage/get', {}, call)).toEqual({ code: 'GATEWAY_UNAVAILABLE' });
    await expect(client.uiInstall('e', HASH)).rejects.toMatchObject({ code: 'GATEWAY_UNAVAILABLE' });
  });

  it('gives up a host call when its execution ends', async () => {
    const { client, call, abort } = await setup(() => {
      abort.abort();
      return undefined; // never answers
    });
    expect(await client.call('storage/get', {}, call)).toEqual({ code: 'GATEWAY_UNAVAILABLE' });
  });

  it('asks which UI may be served', async () => {
    const { client, seen } = await setup(() => [
      200,
      { entry: 'index.html', csp: { imgSrc: ['https://a.example'] } },
    ]);
    expect(await client.uiInstall('e', HASH)).toEqual({
      entry: 'index.html',
      csp: { imgSrc: ['https://a.example'] },
    });
    expect(seen[0]?.path).toBe(
      `/api/internal/runner/ui-installs?extensionId=e&contentHash=${encodeURIComponent(HASH)}`,
    );
  });

  it('has an artifact made, and says what the gateway answered instead of taking that', async () => {
    const { client, seen } = await setup(() => [202, {}]);
    await client.requestPrecompile(HASH, 'jco-2');
    expect(seen[0]).toMatchObject({ path: '/api/internal/runner/precompile' });
    const refusing = await setup(() => [429, { code: 'RATE_LIMITED' }]);
    await expect(refusing.client.requestPrecompile(HASH, 'jco-2')).rejects.toMatchObject({
      code: 'GATEWAY_UNAVAILABLE',
      message: expect.stringContaining('429 (RATE_LIMITED)'),
    });
  });

  it('takes 404 for no', async () => {
    const { client } = await setup(() => [404, {}]);
    expect(await client.uiInstall('e', HASH)).toBeUndefined();
  });

  it.each(["https://a; script-src 'unsafe-inline'", 'https://a https://b', 'a,b', ''])(
    'refuses a source that would change the policy: %j',
    async (source) => {
      const { client } = await setup(() => [200, { entry: 'index.html', csp: { connectSrc: [source] } }]);
      await expect(client.uiInstall('e', HASH)).rejects.toMatchObject({ code: 'GATEWAY_UNAVAILABLE' });
    },
  );
});
