import { createPublicKey } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { verifySignedExecutionToken } from '../../platform/tokens/signed-execution-token.ts';
import { eventually } from '../support/eventually.ts';
import {
  installSample,
  problem,
  startApi,
  type InstalledSample,
  type TestApi,
} from '../support/start-api.ts';

const ENDPOINTS = [
  { method: 'GET', path: '/notes/:id', handler: 'read', permission: 'extension:read' },
  { method: 'POST', path: '/notes', handler: 'write', permission: 'extension:write' },
  { method: 'POST', path: '/billing', handler: 'bill', permission: 'billing:manage' },
  { method: 'GET', path: '/slow', handler: 'slow', permission: 'extension:read', timeoutMs: 200 },
];

let api: TestApi;
let tenantId: string;
let admin: string;
let sample: InstalledSample;
let root: string;

beforeAll(async () => {
  api = await startApi('api_gateway');
  ({ tenantId, key: admin } = await api.tenant());
  sample = await installSample(api, tenantId, {
    api: { endpoints: ENDPOINTS },
    capabilities: ['config.read', { name: 'storage.kv', scope: { namespaces: ['notes'] } }],
  });
  root = `/api/ext/${sample.extensionId}`;
});
afterAll(() => api.close());
beforeEach(() => {
  api.runner.seen.length = 0;
  api.runner.reply = () => ({ body: 'hello', headers: { 'content-type': 'text/plain' } });
});

const last = () => {
  const seen = api.runner.seen.at(-1);
  if (!seen) throw new Error('the runner saw nothing');
  return seen;
};

describe('a call', () => {
  it('reaches the guest with path, query, body and what the install may, and comes back', async () => {
    const headers = { 'content-type': 'application/json', 'x-request-id': 'corr-1' };
    const answer = await api.request('POST', `${root}/notes?a=1&b=%20`, {
      key: admin,
      body: '{"n":1}',
      headers,
    });
    expect(answer).toMatchObject({ status: 200, text: 'hello' });
    expect(answer.headers.get('x-ext-config-version')).toBe('0');
    expect(answer.headers.get('x-ext-secrets-version')).toBe('0');
    const { request, body, authorization } = last();
    expect(request.http).toMatchObject({ method: 'POST', path: '/notes', query: 'a=1&b=%20' });
    expect(body).toBe('{"n":1}');
    expect(authorization).toBe('Bearer service');
    expect(request.context).toMatchObject({
      request_id: 'corr-1',
      tenant_id: tenantId,
      install_id: sample.installId,
      content_hash: sample.contentHash,
      trigger: 'http',
    });
    expect(request.limits.timeout_ms).toBe(3_000);
    expect(request.providers).toEqual(
      expect.arrayContaining([
        { capability: 'storage.kv', scope: { namespaces: ['notes'] } },
        { capability: 'log.emit', scope: {} },
      ]),
    );
    expect(request.secret_envelope).toBeUndefined();
  });

  it('carries a token for this execution and this runner', async () => {
    const answer = await api.request('GET', `${root}/notes/1`, { key: admin });
    const { tokenKey, runner } = api;
    const claims = await verifySignedExecutionToken(createPublicKey(tokenKey), last().token, runner.url);
    expect(claims).toMatchObject({ tenant: tenantId, install: sample.installId, hash: sample.contentHash });
    expect(claims.execution).toBe(answer.headers.get('x-execution-id'));
  });

  it('is found by its execution id, before it has ended and after', async () => {
    let during: unknown;
    api.runner.reply = async ({ request }) => {
      const route = `/api/v1/executions/${request.context.execution_id}`;
      during = (await api.request('GET', route, { key: admin })).json['status'];
      return { status: 201 };
    };
    const answer = await api.request('GET', `${root}/notes/1?token=hidden`, { key: admin });
    expect(during).toBe('running');
    const route = `/api/v1/executions/${String(answer.headers.get('x-execution-id'))}`;
    await eventually(async () => {
      const { json } = await api.request('GET', route, { key: admin });
      expect(json).toMatchObject({ status: 'succeeded', httpStatus: 201, method: 'GET', path: '/notes/1' });
    });
    const { key: stranger } = await api.tenant();
    expect(await api.request('GET', route, { key: stranger })).toMatchObject(problem(404, 'NOT_FOUND'));
    const list = await api.request('GET', `/api/v1/executions?installId=${sample.installId}`, { key: admin });
    expect(list.text).not.toContain('hidden');
  });

  it('through the UI proxy is told apart by its trigger', async () => {
    await api.request('GET', `/api/ext-proxy/${sample.extensionId}/notes/1`, { key: admin });
    expect(last().request.context.trigger).toBe('ui-proxy');
  });

  it('gets the shorter of its endpoint’s time and the platform’s', async () => {
    await api.request('GET', `${root}/slow`, { key: admin });
    expect(last().request.limits.timeout_ms).toBe(200);
  });
});

describe('refuses', () => {
  it('what the manifest does not declare', async () => {
    const none = await api.request('GET', `${root}/nothing`, { key: admin });
    expect(none).toMatchObject(problem(404, 'NOT_FOUND'));
    const method = await api.request('DELETE', `${root}/notes`, { key: admin });
    expect(method).toMatchObject(problem(405, 'METHOD_NOT_ALLOWED'));
    expect(method.headers.get('allow')).toBe('POST');
    for (const path of ['/notes/%2e%2e', '/notes/a%2fb', '/notes/%00', '/notes/%zz']) {
      expect((await api.request('GET', `${root}${path}`, { key: admin })).status).toBe(404);
    }
    expect(api.runner.seen).toEqual([]);
  });

  it('an extension that is not there, whatever its name looks like', async () => {
    for (const ref of [
      'acme.nothing',
      'nothing',
      '%00',
      '..%2f..',
      'a%27.b',
      '00000000-0000-4000-8000-000000000000',
    ]) {
      const answer = await api.request('GET', `/api/ext/${ref}/notes/1`, { key: admin });
      expect(answer).toMatchObject(problem(404, 'NOT_FOUND'));
    }
  });

  it('another tenant with the answer for nothing there', async () => {
    const { key } = await api.tenant();
    const foreign = await api.request('GET', `${root}/notes/1`, { key });
    const none = await api.request('GET', '/api/ext/acme.nothing/notes/1', { key });
    expect(foreign).toMatchObject(problem(404, 'NOT_FOUND'));
    expect({ ...foreign.json, requestId: '' }).toEqual({ ...none.json, requestId: '' });
    expect((await api.request('GET', `/ext-ui/${sample.extensionId}/index.html`, { key })).status).toBe(404);
    expect(api.runner.seen).toEqual([]);
  });

  it('who lacks the endpoint’s permission', async () => {
    const reader = await api.key(tenantId, ['extension:read']);
    expect((await api.request('GET', `${root}/notes/1`, { key: reader })).status).toBe(200);
    const write = await api.request('POST', `${root}/notes`, { key: reader, body: 'x' });
    expect(write).toMatchObject(problem(403, 'FORBIDDEN'));
    const publisher = await api.key(tenantId, ['extension:publish']);
    expect(await api.request('GET', `${root}/nothing`, { key: publisher })).toMatchObject(
      problem(403, 'FORBIDDEN'),
    );
  });

  it('an endpoint with a permission of the extension’s own to all but the tenant’s admin', async () => {
    const user = await api.key(tenantId, ['extension:read', 'extension:write', 'extension:install']);
    expect(await api.request('POST', `${root}/billing`, { key: user })).toMatchObject(
      problem(403, 'FORBIDDEN'),
    );
    expect((await api.request('POST', `${root}/billing`, { key: admin })).status).toBe(200);
  });

  it('a body that is compressed', async () => {
    const headers = { 'content-encoding': 'gzip', 'content-type': 'text/plain' };
    const packed = await api.request('POST', `${root}/notes`, { key: admin, body: 'x', headers });
    expect(packed).toMatchObject(problem(415, 'MEDIA_TYPE_UNSUPPORTED'));
    expect(api.runner.seen).toEqual([]);
  });

  it('an install that is paused or quarantined with 503, and one that is disabled as if it were not there', async () => {
    const other = await installSample(api, tenantId);
    const set = (status: string) =>
      api.db('tenant_extension_install').where({ install_id: other.installId }).update({ status });
    await set('paused');
    const paused = await api.request('GET', `/api/ext/${other.extensionId}/notes/1`, { key: admin });
    expect(paused).toMatchObject(problem(503, 'INSTALL_PAUSED'));
    expect(paused.headers.get('retry-after')).toBe('1');
    const call = () => api.request('GET', `/api/ext/${other.extensionId}/notes/1`, { key: admin });
    await set('disabled');
    // Once the gateway has heard of it.
    await eventually(async () => expect(await call()).toMatchObject(problem(404, 'NOT_FOUND')));
    await set('quarantined');
    await eventually(async () => expect(await call()).toMatchObject(problem(503, 'INSTALL_QUARANTINED')));
  });
});

describe('what goes wrong behind it', () => {
  it.each([
    ['GUEST_TIMEOUT', 504, 'GUEST_TIMEOUT'],
    ['GUEST_OUT_OF_MEMORY', 502, 'GUEST_OUT_OF_MEMORY'],
    ['GUEST_OUT_OF_FUEL', 502, 'GUEST_OUT_OF_FUEL'],
    ['GUEST_TRAPPED', 502, 'GUEST_FAILED'],
    ['GUEST_ERROR', 502, 'GUEST_FAILED'],
    ['SANDBOX_LOST', 502, 'GUEST_FAILED'],
    ['SOMETHING_NEW', 502, 'GUEST_FAILED'],
    ['BUNDLE_UNAVAILABLE', 503, 'RUNNER_UNAVAILABLE'],
    ['GATEWAY_UNAVAILABLE', 503, 'RUNNER_UNAVAILABLE'],
    ['SIGNATURE_REVOKED', 503, 'INSTALL_QUARANTINED'],
  ])('%s becomes %i %s, without what the guest or runner said', async (code, status, shown) => {
    api.runner.reply = () => ({ status: 502, error: { code, message: 'secret stack at line 1' } });
    const answer = await api.request('GET', `${root}/notes/1`, { key: admin });
    expect(answer).toMatchObject(problem(status, shown));
    expect(answer.text).not.toContain('secret stack');
    expect(answer.headers.get('x-execution-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each([
    [429, 'CONCURRENCY_LIMITED', 429, 'CONCURRENCY_LIMITED'],
    [503, 'RUNNER_BUSY', 503, 'RUNNER_BUSY'],
    [401, 'TOKEN_INVALID', 500, 'INTERNAL'],
  ])('a runner’s %i %s becomes %i %s', async (refuse, code, status, shown) => {
    api.runner.reply = () => ({ refuse, code });
    const answer = await api.request('GET', `${root}/notes/1`, { key: admin });
    expect(answer).toMatchObject(problem(status, shown));
    expect(answer.headers.get('retry-after')).toBe(status === 500 ? null : '1');
  });

  it('a runner that hangs up after the call was sent becomes 504, and the execution is recorded as interrupted', async () => {
    api.runner.reply = () => 'hang-up';
    const answer = await api.request('GET', `${root}/notes/1`, { key: admin });
    expect(answer).toMatchObject(problem(504, 'OUTCOME_UNKNOWN'));
    expect(answer.headers.get('retry-after')).toBeNull();
    const route = `/api/v1/executions/${String(answer.headers.get('x-execution-id'))}`;
    await eventually(async () => {
      const { json } = await api.request('GET', route, { key: admin });
      expect(json).toMatchObject({ status: 'interrupted', httpStatus: 504 });
      expect(json).not.toHaveProperty('errorCode');
    });
  });

  it('a runner that never answers becomes 504 after every deadline', async () => {
    const gate = Promise.withResolvers<{ body: string }>();
    api.runner.reply = () => gate.promise;
    const answer = await api.request('GET', `${root}/slow`, { key: admin });
    gate.resolve({ body: 'late' });
    expect(answer).toMatchObject(problem(504, 'OUTCOME_UNKNOWN'));
  });
});

it('sends the UI’s page to the runner’s origin, under the active hash', async () => {
  const answer = await api.request('GET', `/ext-ui/${sample.extensionId}/a%20b/index.html`, { key: admin });
  expect(answer.status).toBe(307);
  expect(answer.headers.get('location')).toBe(
    `http://ui.test/ext-ui/${sample.extensionId}/${sample.contentHash}/a%20b/index.html`,
  );
  const climbing = await api.request('GET', `/ext-ui/${sample.extensionId}/%2e%2e%2f/x`, { key: admin });
  expect(climbing.headers.get('location') ?? '').not.toMatch(/\/\.\.\//);
});
