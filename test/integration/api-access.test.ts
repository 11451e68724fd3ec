import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { internalRoutes, publicRoutes } from '../../core/api/routes.ts';
import { PERMISSIONS } from '../../core/permissions.ts';
import { generateApiKey } from '../../platform/tokens/api-key.ts';
import {
  problem,
  RUNNER_CREDENTIAL,
  startApi,
  WORKER_CREDENTIAL,
  type TestApi,
} from '../support/start-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi('api_access');
});
afterAll(() => api.close());

describe('every route of the contract', () => {
  const routes = { ...publicRoutes, ...internalRoutes };

  it.each(Object.entries(routes))('%s is there, and closed to strangers', async (_name, route) => {
    const path = route.path.replace(/\{\w+\}/g, randomUUID());
    const answers = [await api.request(route.method, path)];
    const { key } = await api.tenant(PERMISSIONS);
    for (const credential of [key, RUNNER_CREDENTIAL, WORKER_CREDENTIAL]) {
      answers.push(await api.request(route.method, path, { key: credential }));
    }
    expect(answers[0]).toMatchObject(problem(401, 'UNAUTHENTICATED'));
    for (const { text } of answers) expect(text).not.toContain('there is nothing at');
  });
});

it('a request with faults is told each of them: where, and what to give', async () => {
  const { key } = await api.tenant();
  const json = { size: 'big', method: 'carrier-pigeon', speed: 1 };
  const answer = await api.request('POST', '/api/ext-bundles/initiate-upload', { key, json });
  expect(answer).toMatchObject(problem(400, 'INPUT_INVALID'));
  expect(answer.json['issues']).toMatchObject([
    { path: 'filename', code: 'invalid_type', message: 'is missing; give a string', expected: 'string' },
    { path: 'size', code: 'invalid_type' },
    { path: 'method', code: 'invalid_value', message: 'must be one of "auto", "proxy", "presigned"' },
    { path: 'speed', code: 'unrecognized_keys' },
  ]);
});

describe('authentication', () => {
  it.each([
    ['no credential', undefined],
    ['something that is no key', 'Bearer hello'],
    ['another scheme', 'Basic aGVsbG86d29ybGQ='],
    ['an unknown key', `Bearer ${generateApiKey().key}`],
  ])('refuses %s, always with the same answer', async (_case, authorization) => {
    const headers = authorization === undefined ? {} : { authorization };
    const answer = await api.request('GET', '/api/v1/installs', { headers });
    expect(answer).toMatchObject(problem(401, 'UNAUTHENTICATED'));
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    const plain = await api.request('GET', '/api/v1/installs');
    expect({ ...answer.json, requestId: '' }).toEqual({ ...plain.json, requestId: '' });
  });

  it('refuses the right key id with a wrong secret', async () => {
    const { key } = await api.tenant();
    const answer = await api.request('GET', '/api/v1/installs', {
      key: `${key.slice(0, -43)}${'A'.repeat(43)}`,
    });
    expect(answer).toMatchObject(problem(401, 'UNAUTHENTICATED'));
  });

  it('refuses an expired key and a revoked one', async () => {
    const { tenantId, key: admin } = await api.tenant();
    const expired = await api.key(tenantId, ['extension:read'], { expiresAt: new Date(Date.now() - 1) });
    expect(await api.request('GET', '/api/v1/installs', { key: expired })).toMatchObject(
      problem(401, 'UNAUTHENTICATED'),
    );
    const made = await api.request('POST', '/api/v1/api-keys', {
      key: admin,
      json: { name: 'short', permissions: ['extension:read'] },
    });
    const key = String(made.json['key']);
    expect((await api.request('GET', '/api/v1/installs', { key })).status).toBe(200);
    const gone = await api.request('DELETE', `/api/v1/api-keys/${String(made.json['id'])}`, { key: admin });
    expect(gone.status).toBe(204);
    expect(await api.request('GET', '/api/v1/installs', { key })).toMatchObject(
      problem(401, 'UNAUTHENTICATED'),
    );
  });

  it('takes no tenant from a header, a query or a body', async () => {
    const { key } = await api.tenant();
    const { tenantId: other } = await api.tenant();
    const named = await api.request('GET', '/api/v1/installs', { key, headers: { 'x-tenant-id': other } });
    expect(named.json).toEqual({ items: [] });
    const json = { filename: 'a.tar.zst', size: 1, tenantId: other };
    expect(await api.request('POST', '/api/ext-bundles/initiate-upload', { key, json })).toMatchObject(
      problem(400, 'INPUT_INVALID'),
    );
    expect(await api.request('GET', `/api/v1/installs?tenantId=${other}`, { key })).toMatchObject(
      problem(400, 'INPUT_INVALID'),
    );
  });
});

describe('permissions', () => {
  it.each([
    ['POST', '/api/ext-bundles/initiate-upload', 'extension:publish'],
    ['POST', '/api/v1/extensions/install', 'extension:install'],
    ['GET', '/api/v1/extensions', 'extension:read'],
    ['GET', '/api/v1/installs', 'extension:read'],
    ['GET', '/api/v1/executions', 'extension:read'],
    ['GET', '/api/v1/tenants', 'platform:operate'],
    ['POST', '/api/v1/tenants', 'platform:operate'],
    ['GET', '/ext-ui/acme.sample/index.html', 'extension:read'],
  ])('%s %s needs %s', async (method, route, permission) => {
    const { key } = await api.tenant(PERMISSIONS.filter((name) => name !== permission));
    const answer = await api.request(method, route, { key, ...(method === 'POST' && { json: {} }) });
    expect(answer).toMatchObject(problem(403, 'FORBIDDEN'));
  });

  it('keeps keys from whoever is neither operator nor admin', async () => {
    const { key } = await api.tenant(['extension:read', 'extension:write', 'extension:install']);
    for (const method of ['GET', 'POST']) {
      const answer = await api.request(method, '/api/v1/api-keys', {
        key,
        ...(method === 'POST' && { json: {} }),
      });
      expect(answer).toMatchObject(problem(403, 'FORBIDDEN'));
    }
  });
});

describe('API keys', () => {
  it('never exceed their maker', async () => {
    const { key } = await api.tenant(['tenant:admin', 'extension:read']);
    const ask = (permissions: string[]) =>
      api.request('POST', '/api/v1/api-keys', { key, json: { name: 'more', permissions } });
    expect(await ask(['extension:install'])).toMatchObject(problem(403, 'FORBIDDEN'));
    expect(await ask(['platform:operate'])).toMatchObject(problem(403, 'FORBIDDEN'));
    expect((await ask(['extension:read'])).status).toBe(201);
  });

  it('of another tenant are the operator’s alone', async () => {
    const { key: admin } = await api.tenant();
    const { tenantId: other } = await api.tenant();
    const json = { name: 'theirs', tenantId: other, permissions: ['extension:read'] };
    expect(await api.request('POST', '/api/v1/api-keys', { key: admin, json })).toMatchObject(
      problem(403, 'FORBIDDEN'),
    );
    const { key: operator } = await api.tenant(PERMISSIONS);
    const made = await api.request('POST', '/api/v1/api-keys', { key: operator, json });
    expect(made).toMatchObject({ status: 201, json: { tenantId: other } });
    const route = `/api/v1/api-keys/${String(made.json['id'])}`;
    expect(await api.request('DELETE', route, { key: admin })).toMatchObject(problem(404, 'NOT_FOUND'));
  });

  it('outlive no maker of theirs: without a time they end with it, and a later one is refused', async () => {
    const { tenantId } = await api.tenant();
    const expiresAt = new Date(Date.now() + 60_000);
    const maker = await api.key(tenantId, ['tenant:admin', 'extension:read'], { expiresAt });
    const make = (more: object) =>
      api.request('POST', '/api/v1/api-keys', {
        key: maker,
        json: { name: 'made', permissions: ['extension:read'], ...more },
      });
    expect(await make({})).toMatchObject({ status: 201, json: { expiresAt: expiresAt.toISOString() } });
    const later = await make({ expiresAt: new Date(expiresAt.getTime() + 1).toISOString() });
    expect(later).toMatchObject(problem(400, 'INPUT_INVALID'));
    expect(later.json['issues']).toMatchObject([{ path: 'expiresAt' }]);
  });

  it('of an operator are revoked by an operator, not by the admin of their tenant', async () => {
    const { tenantId, key: admin } = await api.tenant();
    const operator = await api.key(tenantId, ['platform:operate']);
    const { json } = await api.request('GET', '/api/v1/api-keys', { key: admin });
    const items = json['items'] as { id: string; permissions: string[] }[];
    const id = items.find(({ permissions }) => permissions.includes('platform:operate'))?.id ?? '';
    const revoke = (key: string) => api.request('DELETE', `/api/v1/api-keys/${id}`, { key });
    expect(await revoke(admin)).toMatchObject(problem(403, 'FORBIDDEN'));
    expect((await api.request('GET', '/api/v1/tenants', { key: operator })).status).toBe(200);
    expect((await revoke(operator)).status).toBe(204);
  });

  it('are revoked with what was made with them where that is asked for, by a tenant’s admin in its own tenant', async () => {
    const { tenantId, key: admin } = await api.tenant();
    const { tenantId: elsewhere } = await api.tenant();
    const { key: operator } = await api.tenant(PERMISSIONS);
    const make = async (key: string, json: object = {}): Promise<{ id: string; key: string }> => {
      const body = { name: 'made', permissions: ['tenant:admin', 'extension:read'], ...json };
      return (await api.request('POST', '/api/v1/api-keys', { key, json: body })).json as {
        id: string;
        key: string;
      };
    };
    const opens = async (...keys: { key: string }[]): Promise<boolean[]> =>
      Promise.all(
        keys.map(async ({ key }) => (await api.request('GET', '/api/v1/installs', { key })).status === 200),
      );
    const revoke = async (key: string, id: string, children: string): Promise<number> =>
      (await api.request('DELETE', `/api/v1/api-keys/${id}?children=${children}`, { key })).status;

    const maker = await make(admin);
    const [child, other] = [await make(maker.key), await make(admin)];
    const grandchild = await make(child.key);
    expect(await revoke(admin, maker.id, 'false')).toBe(204);
    expect(await opens(maker, child, grandchild, other)).toEqual([false, true, true, true]);
    expect(await revoke(admin, maker.id, 'true')).toBe(204);
    expect(await opens(maker, child, grandchild, other)).toEqual([false, false, false, true]);
    expect(await revoke(admin, other.id, 'perhaps')).toBe(400);

    // An operator's key that is of the tenant's own, and what it made there and elsewhere.
    const deputy = await make(operator, { tenantId, permissions: PERMISSIONS });
    const [here, there] = [await make(deputy.key), await make(deputy.key, { tenantId: elsewhere })];
    expect(await revoke(admin, deputy.id, 'true')).toBe(403);
    expect(await opens(deputy, here, there)).toEqual([true, true, true]);
    expect(await revoke(operator, deputy.id, `true&tenantId=${tenantId}`)).toBe(204);
    expect(await opens(deputy, here, there)).toEqual([false, false, false]);
  });

  it('are shown once, and lists hold neither key nor digest', async () => {
    const { key } = await api.tenant();
    const json = { name: 'once', permissions: ['extension:read'] };
    const made = String((await api.request('POST', '/api/v1/api-keys', { key, json })).json['key']);
    const list = await api.request('GET', '/api/v1/api-keys', { key });
    expect(list.status).toBe(200);
    expect(list.text).toContain(made.slice(0, 21));
    expect(list.text).not.toContain(made.slice(-43));
    expect(list.text).not.toContain('digest');
  });

  it('of a tenant that does not exist are refused', async () => {
    const { key } = await api.tenant(PERMISSIONS);
    const tenantId = '00000000-0000-4000-8000-000000000000';
    const json = { name: 'x', tenantId, permissions: ['extension:read'] };
    expect(await api.request('POST', '/api/v1/api-keys', { key, json })).toMatchObject(
      problem(404, 'NOT_FOUND'),
    );
  });
});

describe('problems and conventions', () => {
  it('keeps a well-formed request id and replaces any other', async () => {
    const kept = await api.request('GET', '/healthz', { headers: { 'x-request-id': 'abc-1.2_3' } });
    expect(kept.headers.get('x-request-id')).toBe('abc-1.2_3');
    const replaced = await api.request('GET', '/healthz', { headers: { 'x-request-id': 'a b' } });
    expect(replaced.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('names each fault of a body', async () => {
    const { key } = await api.tenant();
    const json = { filename: '', size: 0.5, surprise: true };
    const answer = await api.request('POST', '/api/ext-bundles/initiate-upload', { key, json });
    expect(answer).toMatchObject(problem(400, 'INPUT_INVALID'));
    const issues = answer.json['issues'] as { path: string }[];
    expect(issues.map(({ path }) => path)).toEqual(expect.arrayContaining(['filename', 'size', 'surprise']));
  });

  it.each([
    ['malformed JSON', '{"filename": hello-secret', 400, 'INPUT_INVALID'],
    ['text the database cannot hold', '{"filename":"a\\u0000b","size":1}', 400, 'INPUT_INVALID'],
    ['a body over its cap', JSON.stringify({ filename: 'x'.repeat(300_000) }), 413, 'BODY_TOO_LARGE'],
  ])('refuses %s without repeating it', async (_case, body, status, code) => {
    const { key } = await api.tenant();
    const headers = { 'content-type': 'application/json' };
    const answer = await api.request('POST', '/api/ext-bundles/initiate-upload', { key, body, headers });
    expect(answer).toMatchObject(problem(status, code));
    expect(answer.text).not.toContain('hello-secret');
  });

  it.each(['/api/v1/nothing', '/nothing', '/api/v1/installs/not-a-uuid/x'])(
    'answers 404 at %s',
    async (route) => {
      const { key } = await api.tenant();
      expect(await api.request('GET', route, { key })).toMatchObject(problem(404, 'NOT_FOUND'));
    },
  );

  it.each([
    '2026',
    'foo 1',
    '2026-02-30 00:00:00+00',
    '0000-01-01 00:00:00+00',
    '+275760-09-13T00:00:00Z',
    '2026-11-21 00:00:00+99',
    '2026-11-21 00:00:00+00\0',
  ])('refuses a cursor with %j for a time', async (time) => {
    const { key } = await api.tenant(PERMISSIONS);
    const cursor = Buffer.from(JSON.stringify([time, randomUUID()])).toString('base64url');
    for (const list of ['installs', 'executions', 'extensions', 'tenants', 'api-keys']) {
      const answer = await api.request('GET', `/api/v1/${list}?cursor=${cursor}`, { key });
      expect(answer).toMatchObject(problem(400, 'INPUT_INVALID'));
    }
  });

  it('pages through a list without losing or repeating an entry', async () => {
    const { tenantId, key } = await api.tenant();
    for (let n = 0; n < 4; n += 1) await api.key(tenantId, ['extension:read']);
    const seen: string[] = [];
    let cursor = '';
    for (let page = 0; page < 10; page += 1) {
      const answer = await api.request('GET', `/api/v1/api-keys?limit=2${cursor}`, { key });
      const items = answer.json['items'] as { id: string }[];
      expect(items.length).toBeLessThanOrEqual(2);
      seen.push(...items.map(({ id }) => id));
      const next = answer.json['nextCursor'];
      if (typeof next !== 'string') break;
      cursor = `&cursor=${next}`;
    }
    expect(seen.length).toBe(5);
    expect(new Set(seen).size).toBe(5);
  });

  it.each(['limit=0', 'limit=201', 'limit=x', 'cursor=made-up'])('refuses a list with %s', async (query) => {
    const { key } = await api.tenant();
    expect(await api.request('GET', `/api/v1/installs?${query}`, { key })).toMatchObject(
      problem(400, 'INPUT_INVALID'),
    );
  });

  it('says whether it is ready without a key', async () => {
    expect(await api.request('GET', '/readyz')).toMatchObject({ status: 200, json: { status: 'ready' } });
    expect(await api.request('GET', '/healthz')).toMatchObject({ status: 200, json: { status: 'ok' } });
  });
});
