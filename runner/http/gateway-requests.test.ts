import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import { EXECUTE_FRAME_TYPE, type ExecuteRequest } from '../../core/execute.ts';
import { encodeFrame } from '../../core/execute-frame.ts';
import { SecretValue } from '../../core/secret-value.ts';
import { createLogger } from '../../platform/logger.ts';
import { createSealer, requestKey } from '../../platform/tokens/request-seal.ts';
import { executeRequest } from '../../test/support/execute-request.ts';
import type { ExecutionInput } from '../execution/run-execution.ts';
import { createExecuteHandler } from './execute.ts';
import { createGatewayRequests } from './gateway-requests.ts';
import { createPrivateServer } from './server.ts';

const AUDIENCE = 'http://runner.test:8090';
const CREDENTIAL = new SecretValue('service');
const PATH = '/v1/execute';
const TOKEN = 'what the host routes will check';
const logger = createLogger({ level: 'silent', process: 'runner' });

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
});

const queried = (): ExecuteRequest =>
  executeRequest({
    http: { method: 'POST', path: '/echo', query: 'a=1', headers: {} },
    config: { greeting: 'Hello' },
  });

const frameOf = (request: unknown, body = 'raw'): Buffer<ArrayBuffer> =>
  Buffer.concat(encodeFrame(request, Buffer.from(body)));

/** A runner of which every start has the same address, and a gateway that seals for it. */
async function setup({ maxGateways = 2, olderGateways = false } = {}) {
  const inputs: ExecutionInput[] = [];
  const warmed: string[] = [];
  const gatewayRequests = createGatewayRequests(
    { serviceToken: CREDENTIAL, audience: AUDIENCE, olderGateways, now: Date.now },
    maxGateways,
  );
  const server = createPrivateServer({
    gatewayRequests,
    execute: createExecuteHandler({
      runExecution: (input) => {
        inputs.push(input);
        const response = { status: 200, headers: {}, body: Buffer.from('answer') };
        return Promise.resolve({ ok: true, response, egressBytes: 0, cpuMs: 1, memoryBytes: 2, fuel: 3 });
      },
      olderTokenKey: undefined,
      audience: AUDIENCE,
      logger,
      now: Date.now,
    }),
    warm: async (_req, res, from) => {
      warmed.push((await from.body(100)).toString());
      res.end();
    },
    metrics: { read: (_req, res) => void res.end(), token: undefined },
    unreadiness: () => undefined,
    announcement: { limits: [], capabilities: [] },
    logger,
  });
  const base = `http://127.0.0.1:${await server.listen({ host: '127.0.0.1', port: 0 })}`;
  cleanups.push(() => server.close(0));

  const epoch = () => gatewayRequests.epoch();
  const newGateway = (audience = AUDIENCE, credential = CREDENTIAL) => {
    const seal = createSealer(requestKey(credential, audience));
    return (
      body: Buffer<ArrayBuffer>,
      { expiresAt = Date.now() + 60_000, path = PATH, contentType = EXECUTE_FRAME_TYPE } = {},
    ) => ({
      'content-type': contentType,
      'x-execution-token': TOKEN,
      ...seal({ path, contentType, executionToken: TOKEN, epoch: epoch() ?? '', body, expiresAt }),
    });
  };
  const post = async (body: Buffer<ArrayBuffer>, headers: Record<string, string>, path = PATH) => {
    const response = await fetch(`${base}${path}`, { method: 'POST', headers, body });
    if (response.status === 200) return 200;
    return [response.status, ((await response.json()) as { code: string }).code];
  };
  return { base, inputs, warmed, epoch, newGateway, post };
}

const TOKEN_INVALID = [401, 'TOKEN_INVALID'];
const UNAUTHENTICATED = [401, 'UNAUTHENTICATED'];

describe('a sealed request', () => {
  it('is served, without the credential and with the token handed on as it came', async () => {
    const { newGateway, post, inputs } = await setup();
    const request = queried();
    const body = frameOf(request);
    const headers = newGateway()(body);
    expect(JSON.stringify(headers)).not.toContain(CREDENTIAL.reveal());
    expect(await post(body, headers)).toBe(200);
    expect(inputs).toMatchObject([{ request, executionToken: TOKEN }]);
  });

  it('may be JSON, and may be a warm-up', async () => {
    const { newGateway, post, inputs, warmed } = await setup();
    const seal = newGateway();
    const contentType = 'application/json';
    const json = Buffer.from(JSON.stringify(queried()));
    expect(await post(json, seal(json, { contentType }))).toBe(200);
    const warm = Buffer.from('{}');
    expect(await post(warm, seal(warm, { contentType, path: '/v1/warm' }), '/v1/warm')).toBe(200);
    expect([inputs.length, warmed]).toEqual([1, ['{}']]);
  });

  it('is refused the second time, and when it has expired', async () => {
    const { newGateway, post, inputs } = await setup();
    const seal = newGateway();
    const body = frameOf(queried());
    const headers = seal(body);
    expect(await post(body, headers)).toBe(200);
    expect(await post(body, headers)).toEqual(TOKEN_INVALID);
    expect(await post(body, seal(body, { expiresAt: Date.now() - 1 }))).toEqual(TOKEN_INVALID);
    expect(inputs).toHaveLength(1);
  });

  it('of many at once is served once each, in whatever order they come', async () => {
    const { newGateway, post, inputs } = await setup();
    const seal = newGateway();
    const sent = Array.from({ length: 50 }, () => {
      const body = frameOf(queried());
      return { body, headers: seal(body) };
    }).reverse();
    const answers = await Promise.all([...sent, ...sent].map(({ body, headers }) => post(body, headers)));
    expect(answers.filter((answer) => answer === 200)).toHaveLength(50);
    const ids = inputs.map(({ request }) => request.context.execution_id);
    expect(new Set(ids).size).toBe(50);
    expect(ids).toHaveLength(50);
  });

  it.each<[string, (request: ExecuteRequest) => ExecuteRequest]>([
    ['path', (r) => ({ ...r, http: { ...r.http, path: '/other' } })],
    ['query', (r) => ({ ...r, http: { ...r.http, query: 'a=2' } })],
    ['method', (r) => ({ ...r, http: { ...r.http, method: 'PUT' } })],
    ['headers', (r) => ({ ...r, http: { ...r.http, headers: { a: 'b' } } })],
    ['config', (r) => ({ ...r, config: { greeting: 'Bye' } })],
    ['user', (r) => ({ ...r, user: { user_id: 'u', user_email: '', user_name: '', user_type: '' } })],
    ['tenant', (r) => ({ ...r, context: { ...r.context, tenant_id: randomUUID() } })],
    ['install', (r) => ({ ...r, context: { ...r.context, install_id: randomUUID() } })],
    ['hash', (r) => ({ ...r, context: { ...r.context, content_hash: `sha256:${'b'.repeat(64)}` } })],
    ['grants', (r) => ({ ...r, providers: [{ capability: 'storage.kv', scope: {} }] })],
    ['limits', (r) => ({ ...r, limits: { ...r.limits, memory_mb: 1024 } })],
    ['white space', (r) => r],
  ])('is refused when its %s was altered', async (what, change) => {
    const { newGateway, post, inputs } = await setup();
    const request = queried();
    const altered = frameOf(change(request), what === 'white space' ? 'raw ' : 'raw');
    expect(await post(altered, newGateway()(frameOf(request)))).toEqual(TOKEN_INVALID);
    expect(inputs).toEqual([]);
  });

  it('is refused with another body, token, content type, route or number', async () => {
    const { newGateway, post, inputs, warmed } = await setup();
    const seal = newGateway();
    const request = queried();
    const body = frameOf(request);
    expect(await post(frameOf(request, 'other'), seal(body))).toEqual(TOKEN_INVALID);
    expect(await post(body, { ...seal(body), 'x-execution-token': 'another' })).toEqual(TOKEN_INVALID);
    const json = Buffer.from(JSON.stringify(request));
    expect(await post(json, { ...seal(json), 'content-type': 'application/json' })).toEqual(TOKEN_INVALID);
    expect(await post(body, seal(body), '/v1/warm')).toEqual(TOKEN_INVALID);
    const headers = seal(body);
    const parts = headers['x-request-seal'].split('.');
    for (const at of [1, 2, 3, 4, 5, 6]) {
      const part = parts[at] ?? '';
      const other = (part.startsWith('1') ? '2' : '1') + part.slice(1);
      const changed = parts.with(at, other).join('.');
      expect(await post(body, { ...headers, 'x-request-seal': changed })).toEqual(TOKEN_INVALID);
    }
    expect([inputs, warmed]).toEqual([[], []]);
    expect(await post(body, headers)).toBe(200); // none of these used it up
  });

  it('for another runner, or by another credential, is refused', async () => {
    const { newGateway, post, inputs } = await setup();
    const body = frameOf(queried());
    const foreign = [newGateway('http://other:8090'), newGateway(AUDIENCE, new SecretValue('another'))];
    for (const seal of foreign) expect(await post(body, seal(body))).toEqual(TOKEN_INVALID);
    expect(await post(body, { ...newGateway()(body), 'x-request-seal': 'x' })).toEqual(TOKEN_INVALID);
    expect(inputs).toEqual([]);
  });

  it('is refused before its body is read', async () => {
    const { base, newGateway } = await setup();
    const body = frameOf(queried());
    const headers = { ...newGateway('http://other:8090')(body), 'content-length': body.byteLength };
    const sending = request(`${base}${PATH}`, { method: 'POST', headers });
    sending.flushHeaders();
    const [response] = (await once(sending, 'response')) as [IncomingMessage];
    expect(response.statusCode).toBe(401);
    sending.destroy();
  });

  it('from before the runner was started again is refused, and its gateway may seal it again', async () => {
    const before = await setup();
    const body = frameOf(queried());
    const headers = before.newGateway()(body);
    expect(await before.post(body, headers)).toBe(200);
    const after = await setup();
    expect(await after.post(body, headers)).toEqual(UNAUTHENTICATED);
    expect(await after.post(body, after.newGateway()(body))).toBe(200);
  });

  it('from before that start, or of an older gateway, is read before it is refused, so that it is heard', async () => {
    const body = frameOf(queried());
    const sealed = (await setup()).newGateway()(body);
    const after = await setup();
    const older = { authorization: 'Bearer service', 'content-type': EXECUTE_FRAME_TYPE };
    for (const given of [sealed, older]) {
      const headers = { ...given, 'content-length': body.byteLength };
      const sending = request(`${after.base}${PATH}`, { method: 'POST', headers });
      let refused = false;
      const heard = once(sending, 'response').then(([response]) => {
        refused = true;
        return (response as IncomingMessage).statusCode;
      });
      sending.write(body.subarray(0, 10));
      for (let round = 0; round < 5; round++) await fetch(`${after.base}/healthz`);
      expect(refused).toBe(false);
      sending.end(body.subarray(10));
      expect(await heard).toBe(401);
    }
    expect(after.inputs).toEqual([]);
  });

  it('of each gateway is counted apart, and one that starts again counts anew', async () => {
    const { newGateway, post } = await setup();
    const body = frameOf(queried());
    for (const seal of [newGateway(), newGateway()]) {
      const headers = seal(body);
      expect(await post(body, headers)).toBe(200);
      expect(await post(body, headers)).toEqual(TOKEN_INVALID);
    }
  });

  it('of more gateways than are remembered opens an epoch, in which nothing sealed earlier is taken', async () => {
    const { newGateway, post, epoch, inputs } = await setup({ maxGateways: 2 });
    const body = frameOf(queried());
    const gateways = [newGateway(), newGateway()];
    const used = gateways.map((seal) => seal(body));
    for (const headers of used) expect(await post(body, headers)).toBe(200);
    const [first, third] = [epoch(), newGateway()];
    expect(await post(body, third(body, { expiresAt: 1 }))).toEqual(TOKEN_INVALID);
    expect(epoch()).toBe(first);
    expect(await post(body, third(body))).toEqual(UNAUTHENTICATED);
    expect(epoch()).not.toBe(first);
    for (const headers of used) expect(await post(body, headers)).toEqual(UNAUTHENTICATED);
    expect(inputs).toHaveLength(2);
    for (const seal of [third, ...gateways.slice(1)]) expect(await post(body, seal(body))).toBe(200);
  });
});

describe('a request without a seal', () => {
  it('is refused where no older gateways are served, whatever credential it has', async () => {
    const { post, inputs } = await setup();
    const body = frameOf(queried());
    const headers = { authorization: 'Bearer service', 'content-type': EXECUTE_FRAME_TYPE };
    expect(await post(body, headers)).toEqual(UNAUTHENTICATED);
    expect(await post(Buffer.from('{}'), headers, '/v1/warm')).toEqual(UNAUTHENTICATED);
    expect(inputs).toEqual([]);
  });

  it('is asked for where older gateways are served: no epoch is announced', async () => {
    const { base, epoch } = await setup({ olderGateways: true });
    expect(epoch()).toBeUndefined();
    expect(await (await fetch(`${base}/readyz`)).json()).not.toHaveProperty('seal_epoch');
    const sealed = await setup();
    const announced = await (await fetch(`${sealed.base}/readyz`)).json();
    expect(announced).toMatchObject({ seal_epoch: sealed.epoch() });
  });
});
