import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { PlatformError } from '../../core/errors.ts';
import {
  EXECUTE_FRAME_TYPE,
  SEALING_ALGORITHM,
  type ExecuteRequest,
  type ExecuteResponse,
  type SentExecuteRequest,
} from '../../core/execute.ts';
import { decodeFrame, encodeFrame } from '../../core/execute-frame.ts';
import { SecretValue } from '../../core/secret-value.ts';
import { createLogger } from '../../platform/logger.ts';
import { signExecutionToken } from '../../platform/tokens/signed-execution-token.ts';
import { executeRequest } from '../../test/support/execute-request.ts';
import { createExecuteHandler } from './execute.ts';
import type { ExecutionInput, ExecutionResult } from '../execution/run-execution.ts';
import { createGatewayRequests } from './gateway-requests.ts';
import { createPrivateServer } from './server.ts';

const AUDIENCE = 'http://runner.test:8090';
const OLDER = { serviceToken: new SecretValue('service'), olderGateways: true };
const keys = generateKeyPairSync('ed25519');
const logger = createLogger({ level: 'silent', process: 'runner' });

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
});

const fine: ExecutionResult = {
  ok: true,
  response: { status: 201, headers: { 'x-a': ['1', '2'] }, body: Buffer.from('answer') },
  egressBytes: 4,
  cpuMs: 1,
  memoryBytes: 2,
  fuel: 3,
};

type Runs = (input: ExecutionInput) => Promise<ExecutionResult>;

async function setup(run: Runs = () => Promise.resolve(fine)) {
  const inputs: ExecutionInput[] = [];
  let ready = true;
  const execute = createExecuteHandler({
    runExecution: (input) => {
      inputs.push(input);
      return run(input);
    },
    olderTokenKey: keys.publicKey,
    audience: AUDIENCE,
    logger,
    now: Date.now,
  });
  const server = createPrivateServer({
    gatewayRequests: createGatewayRequests({ ...OLDER, audience: AUDIENCE, now: Date.now }),
    execute,
    warm: (_req, res) => Promise.resolve(void res.end()),
    metrics: { read: (_req, res) => void res.end('metrics'), token: new SecretValue('metrics') },
    unreadiness: () => (ready ? undefined : 'draining'),
    announcement: { limits: ['timeout_ms'], capabilities: ['log.emit'] },
    logger,
  });
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  cleanups.push(() => server.close(0));
  const base = `http://127.0.0.1:${port}`;

  const post = async (body: string | Uint8Array, headers: Record<string, string> = {}) =>
    fetch(`${base}/v1/execute`, {
      method: 'POST',
      headers: { authorization: 'Bearer service', 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : new Blob([new Uint8Array(body)]),
    });
  const token = (request: SentExecuteRequest, audience = AUDIENCE, key = keys.privateKey) =>
    signExecutionToken(key, audience, request);
  const send = async (request: SentExecuteRequest, headers: Record<string, string> = {}) =>
    post(JSON.stringify(request), { 'x-execution-token': await token(request), ...headers });
  return { base, inputs, post, send, token, setReady: (value: boolean) => (ready = value) };
}

async function problemOf(response: Response): Promise<[number, string]> {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  return [response.status, ((await response.json()) as { code: string }).code];
}

describe('POST /v1/execute of an older gateway, which seals nothing', () => {
  it('hands the body on as bytes and answers JSON with base64', async () => {
    const { send, inputs } = await setup();
    const http = { method: 'POST', path: '/echo', query: '', headers: {}, body_b64: 'AAEC' };
    const response = await send(executeRequest({ http }));
    expect(response.status).toBe(200);
    const answer = (await response.json()) as ExecuteResponse;
    expect(answer).toMatchObject({ status: 201, headers: { 'x-a': ['1', '2'] }, body_b64: 'YW5zd2Vy' });
    expect(answer.metrics).toMatchObject({ cpu_ms: 1, memory_bytes: 2, fuel: 3, egress_bytes: 4 });
    expect(answer.metrics.duration_ms).toBeGreaterThan(0);
    expect(inputs.map(({ body }) => [...(body ?? [])])).toEqual([[0, 1, 2]]);
  });

  it('answers a frame with a frame', async () => {
    const { post, token, inputs } = await setup();
    const request = executeRequest();
    const response = await post(Buffer.concat(encodeFrame(request, Buffer.from('raw'))), {
      'content-type': EXECUTE_FRAME_TYPE,
      'x-execution-token': await token(request),
    });
    expect(response.headers.get('content-type')).toBe(EXECUTE_FRAME_TYPE);
    const frame = decodeFrame(new Uint8Array(await response.arrayBuffer()));
    expect(frame?.head).toMatchObject({ status: 201 });
    expect(frame?.head).not.toHaveProperty('body_b64');
    expect(Buffer.from(frame?.body ?? []).toString()).toBe('answer');
    expect(Buffer.from(inputs[0]?.body ?? []).toString()).toBe('raw');
  });

  it("tells what happened to the guest in a 200's body", async () => {
    const { send } = await setup(() =>
      Promise.resolve({ ...fine, ok: false, code: 'GUEST_TIMEOUT', message: 'late' }),
    );
    const response = await send(executeRequest());
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ status: 504, error: { code: 'GUEST_TIMEOUT' } });
  });

  it.each([
    ['CONCURRENCY_LIMITED', 429],
    ['RUNNER_BUSY', 503],
  ] as const)('answers %s with its own status and when to retry', async (code, status) => {
    const { send } = await setup(() => Promise.reject(new PlatformError(code, 'busy')));
    const response = await send(executeRequest());
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await problemOf(response)).toEqual([status, code]);
  });

  it('hides what went wrong inside', async () => {
    const { send } = await setup(() => Promise.reject(new Error('password=hunter2')));
    const response = await send(executeRequest());
    expect(await response.clone().text()).not.toContain('hunter2');
    expect(await problemOf(response)).toEqual([500, 'INTERNAL']);
  });

  it.each([
    ['no', {}],
    ['a wrong', { authorization: 'Bearer other' }],
    ['another scheme of', { authorization: 'Basic service' }],
  ])('refuses %s service credential', async (_name, headers) => {
    const { base, inputs } = await setup();
    const response = await fetch(`${base}/v1/execute`, {
      method: 'POST',
      headers: headers as Record<string, string>,
    });
    expect(await problemOf(response)).toEqual([401, 'UNAUTHENTICATED']);
    expect(inputs).toEqual([]);
  });

  it('refuses a missing token, a token of another key and a token for another runner', async () => {
    const { post, token, inputs } = await setup();
    const request = executeRequest();
    const foreign = generateKeyPairSync('ed25519').privateKey;
    for (const bad of [
      '',
      'x',
      await token(request, AUDIENCE, foreign),
      await token(request, 'http://other'),
    ]) {
      const response = await post(JSON.stringify(request), { 'x-execution-token': bad });
      expect(await problemOf(response)).toEqual([401, 'TOKEN_INVALID']);
    }
    expect(inputs).toEqual([]);
  });

  it('refuses an expired token', async () => {
    const { post, token } = await setup();
    // A deadline that lay in the past by more than the grace when the token was made.
    const request = executeRequest();
    const old = await token({ ...request, limits: { ...request.limits, timeout_ms: -20_000 } });
    expect(await problemOf(await post(JSON.stringify(request), { 'x-execution-token': old }))).toEqual([
      401,
      'TOKEN_INVALID',
    ]);
  });

  it('refuses a token the second time', async () => {
    const { post, token, inputs } = await setup();
    const request = executeRequest();
    const headers = { 'x-execution-token': await token(request) };
    expect((await post(JSON.stringify(request), headers)).status).toBe(200);
    expect(await problemOf(await post(JSON.stringify(request), headers))).toEqual([401, 'TOKEN_INVALID']);
    expect(inputs).toHaveLength(1);
  });

  it.each<[string, (request: ExecuteRequest) => ExecuteRequest]>([
    ['tenant', (r) => ({ ...r, context: { ...r.context, tenant_id: randomUUID() } })],
    ['install', (r) => ({ ...r, context: { ...r.context, install_id: randomUUID() } })],
    ['hash', (r) => ({ ...r, context: { ...r.context, content_hash: `sha256:${'b'.repeat(64)}` } })],
    ['grants', (r) => ({ ...r, providers: [{ capability: 'storage.kv', scope: {} }] })],
    ['limits', (r) => ({ ...r, limits: { ...r.limits, memory_mb: 1024 } })],
  ])('refuses a body whose %s is not the one its token was made for', async (_what, change) => {
    const { post, token, inputs } = await setup();
    const request = executeRequest();
    const headers = { 'x-execution-token': await token(request) };
    expect(await problemOf(await post(JSON.stringify(change(request)), headers))).toEqual([
      401,
      'TOKEN_INVALID',
    ]);
    expect(inputs).toEqual([]);
  });

  it('takes every form of the contract, with a token over the parts as they were sent', async () => {
    const { send, inputs } = await setup();
    const { context, http, limits } = executeRequest();
    const response = await send({
      context: { ...context, config: { greeting: 'Hello' } },
      http,
      limits: { ...limits, fuel: 1_000_000, egress_bytes: 0 },
      providers: ['cap:storage.kv'],
    });
    expect(response.status).toBe(200);
    const providers = [{ capability: 'storage.kv', scope: {} }];
    expect(inputs[0]?.request).toMatchObject({ config: { greeting: 'Hello' }, providers });
  });

  it('ignores what a newer gateway says besides, though its token covers that too', async () => {
    const { send, inputs } = await setup();
    const secret_envelope = {
      version: 1,
      algorithm: SEALING_ALGORITHM,
      expires_at: '2030-01-01T00:00:00.000Z',
      entries: {},
      key_id: 'k',
    } as const;
    const request = executeRequest({ secret_envelope });
    const newer = { of: 'a newer release' };
    const sent = {
      ...request,
      newer,
      context: { ...request.context, newer },
      http: { ...request.http, newer },
      secret_envelope: { ...secret_envelope, newer },
    };
    expect((await send(sent)).status).toBe(200);
    expect(inputs[0]?.request).toEqual(request);
  });

  it('refuses a limit that it does not know, by its path', async () => {
    const { send, inputs } = await setup();
    const limits = { ...executeRequest().limits, gpu_ms: 5 };
    const response = await send({ ...executeRequest(), limits });
    expect(await response.clone().json()).toMatchObject({ issues: [{ path: 'limits.gpu_ms' }] });
    expect(await problemOf(response)).toEqual([400, 'INPUT_INVALID']);
    expect(inputs).toEqual([]);
  });

  it.each([
    ['that is not JSON', '{', {}, [400, 'INPUT_INVALID']],
    ['of a wrong shape', '{}', {}, [400, 'INPUT_INVALID']],
    ['of another type', 'x', { 'content-type': 'text/plain' }, [415, 'MEDIA_TYPE_UNSUPPORTED']],
    ['that is no frame', 'xx', { 'content-type': EXECUTE_FRAME_TYPE }, [400, 'INPUT_INVALID']],
  ] as [string, string, Record<string, string>, [number, string]][])(
    'refuses a body %s',
    async (_what, body, headers, problem) => {
      const { post, inputs } = await setup();
      expect(await problemOf(await post(body, headers))).toEqual(problem);
      expect(inputs).toEqual([]);
    },
  );

  it('refuses a body over its cap, announced or not', async () => {
    const { post, base } = await setup();
    const large = new Uint8Array(18 * 1024 * 1024);
    expect(await problemOf(await post(large, { 'content-type': EXECUTE_FRAME_TYPE }))).toEqual([
      413,
      'BODY_TOO_LARGE',
    ]);
    const stream = new Blob([large]).stream();
    const unannounced = { method: 'POST', body: stream, duplex: 'half' } as RequestInit;
    const response = await fetch(`${base}/v1/execute`, {
      ...unannounced,
      headers: { authorization: 'Bearer service', 'content-type': EXECUTE_FRAME_TYPE },
    });
    expect(await problemOf(response)).toEqual([413, 'BODY_TOO_LARGE']);
  });
});

describe('the private listener', () => {
  it('tells its health and what it knows without a credential, and when it drains', async () => {
    const { base, setReady } = await setup();
    expect((await fetch(`${base}/healthz`)).status).toBe(200);
    const ready = await fetch(`${base}/readyz`);
    expect(ready.status).toBe(200);
    const known = { limits: ['timeout_ms'], capabilities: ['log.emit'] };
    expect(await ready.json()).toEqual({ status: 'ready', ...known });
    setReady(false);
    expect((await fetch(`${base}/readyz`)).status).toBe(503);
  });

  it('knows no other route and no other method', async () => {
    const { base } = await setup();
    const headers = { authorization: 'Bearer service' };
    expect(await problemOf(await fetch(`${base}/constructor`, { headers }))).toEqual([404, 'NOT_FOUND']);
    const get = await fetch(`${base}/v1/execute`, { headers });
    expect(get.headers.get('allow')).toBe('POST');
    expect(await problemOf(get)).toEqual([405, 'METHOD_NOT_ALLOWED']);
    expect(await problemOf(await fetch(`${base}/nowhere`))).toEqual([401, 'UNAUTHENTICATED']);
  });
});
