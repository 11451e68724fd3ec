import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { listInstalls, readInstall } from '../../core/api/installs.ts';
import {
  bundleOf,
  createTenant,
  expectStatus,
  install,
  publish,
  publishAndInstall,
} from '../support/extensions.ts';
import { send, startPlatform, type TestPlatform } from '../support/platform.ts';

const HELLO = 'alga.hello';
const greeting = z.object({ greeting: z.string(), tenant: z.string(), count: z.int() });

describe('the platform after its first start', () => {
  let platform: TestPlatform;
  let user: string;
  let admin: string;

  beforeAll(async () => {
    platform = await startPlatform({}, { anew: true });
    ({ user, admin } = platform.local.keys);
  }, 900_000);
  afterAll(() => platform.close());

  const call = (method: string, route: string, request = {}) =>
    platform.request(method, `/api/ext/${HELLO}${route}`, { key: user, ...request });
  const helloInstall = async (): Promise<string> => {
    const { items } = (await platform.as(admin)(listInstalls, {})).body;
    return items.find(({ extension }) => extension === HELLO)?.installId ?? '';
  };

  it('answers calls of the example it has published and installed', async () => {
    const first = await call('GET', '/hello/Ada');
    expect(first.status).toBe(200);
    expect(first.headers.get('x-execution-id')).toMatch(/^[0-9a-f-]{36}$/);
    const { count, tenant } = greeting.parse(first.json);
    expect(tenant).toBe(platform.local.tenantId);
    expect(greeting.parse((await call('GET', '/hello/Ada')).json)).toEqual({
      greeting: 'Hello, Ada!',
      tenant,
      count: count + 1,
    });
  });

  it('can be called with the line it prints', () => {
    const output = platform.starter.output();
    expect(output).toContain(`${platform.local.gateway}/api/ext/${HELLO}/hello/world`);
    expect(output).toContain(platform.local.temporal.ui);
    for (const key of Object.values(platform.local.keys)) expect(output).not.toContain(key);
  });

  it('carries any bytes to the handler and back', async () => {
    const bytes = randomBytes(300_000);
    const echoed = await call('POST', '/echo', {
      bytes,
      headers: { 'content-type': 'application/octet-stream' },
    });
    expect(echoed.status).toBe(200);
    expect(echoed.bytes.equals(bytes)).toBe(true);
  });

  it('serves the example page to a browser through the gateway, from another origin', async () => {
    const redirect = await platform.request('GET', `/ext-ui/${HELLO}/index.html`, { key: user });
    expect(redirect.status).toBe(307);
    const location = redirect.headers.get('location') ?? '';
    expect(location.startsWith(`${platform.local.ui}/ext-ui/`)).toBe(true);
    const page = await send(location, 'GET');
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(page.headers.get('x-content-type-options')).toBe('nosniff');
    expect(page.headers.get('content-security-policy')).toContain('sandbox allow-scripts');
    expect(page.headers.get('access-control-allow-origin')).toBe('*');
    expect(page.headers.get('cache-control')).toContain('immutable');
    expect(page.headers.get('etag')).toMatch(/^"[0-9a-f]{64}"$/);
    expect((await send(`${location}.nowhere`, 'GET')).status).toBe(404);
  });

  it('serves of a bundle only what its manifest names under assets', async () => {
    const changes = { name: 'hello-assets', assets: ['ui/index.html', 'ui/*.css'] };
    const extension = 'alga.hello-assets';
    await publishAndInstall(platform, await bundleOf('hello', changes), { extension });
    const statuses = ['index.html', 'style.css', 'main.js'].map(async (file) => {
      const { headers } = await platform.request('GET', `/ext-ui/${extension}/${file}`, { key: user });
      return (await send(headers.get('location') ?? '', 'GET')).status;
    });
    expect(await Promise.all(statuses)).toEqual([200, 200, 404]);
  });

  describe('refuses', () => {
    const problem = (status: number, code: string) => ({
      status,
      json: expect.objectContaining({ status, code, requestId: expect.any(String) }) as unknown,
    });

    it.each([
      ['no key', undefined],
      ['something that is no key', 'hello'],
      ['an unknown key', `alga_${'0'.repeat(16)}_${'A'.repeat(43)}`],
    ])('%s with 401', async (_case, key) => {
      expect(await call('GET', '/hello/Ada', { key })).toMatchObject(problem(401, 'UNAUTHENTICATED'));
    });

    it('the right key id with a wrong secret with 401', async () => {
      const wrong = `${user.slice(0, -43)}${'A'.repeat(43)}`;
      expect(await call('GET', '/hello/Ada', { key: wrong })).toMatchObject(problem(401, 'UNAUTHENTICATED'));
    });

    it('an expired and a revoked key with 401', async () => {
      const expiresAt = new Date(Date.now() + 1_500).toISOString();
      const body = { name: 'short', permissions: ['extension:read'] };
      const made = await platform.request('POST', '/api/v1/api-keys', {
        key: admin,
        json: { ...body, expiresAt },
      });
      expectStatus(made, 201);
      const { key } = z.object({ key: z.string() }).parse(made.json);
      let status = (await call('GET', '/hello/Key', { key })).status;
      const deadline = Date.now() + 20_000;
      while (status === 200 && Date.now() < deadline)
        status = (await call('GET', '/hello/Key', { key })).status;
      expect(status).toBe(401);

      const second = await platform.request('POST', '/api/v1/api-keys', { key: admin, json: body });
      const { id, key: revoked } = z.object({ id: z.uuid(), key: z.string() }).parse(second.json);
      expect((await call('GET', '/hello/Key', { key: revoked })).status).toBe(200);
      const gone = await platform.request('DELETE', `/api/v1/api-keys/${id}`, { key: admin });
      expect(gone.status).toBeLessThan(300);
      expect(await call('GET', '/hello/Key', { key: revoked })).toMatchObject(
        problem(401, 'UNAUTHENTICATED'),
      );
    });

    it('a body over the cap with 413', async () => {
      const bytes = new Uint8Array(11 * 1024 * 1024);
      const answer = await call('POST', '/echo', { bytes, headers: { 'content-type': 'text/plain' } });
      expect(answer).toMatchObject(problem(413, 'BODY_TOO_LARGE'));
    });

    it('an endpoint that the manifest does not declare with 404', async () => {
      expect(await call('GET', '/nothing/here')).toMatchObject(problem(404, 'NOT_FOUND'));
    });

    it('a method that the manifest does not declare with 405 and what is allowed', async () => {
      const answer = await call('GET', '/echo');
      expect(answer).toMatchObject(problem(405, 'METHOD_NOT_ALLOWED'));
      expect(answer.headers.get('allow')).toContain('POST');
    });

    it('a call without the permission of the endpoint with 403', async () => {
      const made = await platform.request('POST', '/api/v1/api-keys', {
        key: admin,
        json: { name: 'reader', permissions: ['extension:read'] },
      });
      const { key } = z.object({ key: z.string() }).parse(made.json);
      expect((await call('GET', '/hello/Ada', { key })).status).toBe(200);
      const answer = await call('POST', '/echo', { key, bytes: Buffer.from('x') });
      expect(answer).toMatchObject(problem(403, 'FORBIDDEN'));
    });

    it('to publish, install or make keys for a user with 403', async () => {
      const bodies: [string, unknown][] = [
        ['/api/v1/extensions/install', { extension: HELLO, consent: 'all' }],
        ['/api/ext-bundles/initiate-upload', { filename: 'x.tar.zst', size: 10 }],
        ['/api/v1/api-keys', { name: 'more', permissions: ['extension:read'] }],
      ];
      for (const [route, json] of bodies) {
        expect(await platform.request('POST', route, { key: user, json })).toMatchObject(
          problem(403, 'FORBIDDEN'),
        );
      }
    });

    it('a second publish of a version with 409, even of other bytes', async () => {
      const same = await publish(platform, admin, await bundleOf('hello'));
      expect(same).toMatchObject(problem(409, 'VERSION_EXISTS'));
      const other = await publish(platform, admin, await bundleOf('hello', { description: 'Another one.' }));
      expect(other).toMatchObject(problem(409, 'VERSION_EXISTS'));
    });

    it('a damaged bundle with 422 and the check that failed', async () => {
      const bundle = Buffer.from(await bundleOf('hello', { version: '9.0.0' }));
      bundle.fill(0x55, Math.floor(bundle.length / 2), Math.floor(bundle.length / 2) + 1_000);
      const answer = await publish(platform, admin, bundle);
      expect(answer.status).toBe(422);
      const { checks } = z
        .object({
          checks: z.array(z.object({ name: z.string(), result: z.string(), required: z.boolean() })),
        })
        .parse(answer.json);
      expect(checks.filter(({ result, required }) => required && result === 'failed').length).toBeGreaterThan(
        0,
      );
      const versions = await platform.request('GET', `/api/v1/extensions/${HELLO}/versions`, { key: admin });
      expect(versions.text).not.toContain('9.0.0');
    });

    it.each([
      ['with a fault', 'runtime', { runtime: 'jvm' }],
      ['that asks for what is not done yet', 'events', { events: [{ topic: 't', handler: 'h' }] }],
    ])('a manifest %s with 422, naming its path', async (_what, path, changes) => {
      const answer = await publish(
        platform,
        admin,
        await bundleOf('hello', { version: '9.0.1', ...changes }),
      );
      expect(answer).toMatchObject(problem(422, 'MANIFEST_INVALID'));
      expect(answer.text).toContain(path);
    });
  });

  it('installs again what is there already without doing anything', async () => {
    const before = await helloInstall();
    const answer = await install(platform, admin, { extension: HELLO });
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({ installId: before, status: 'active' });
  });

  it('shows the steps of a publish and of an install when they are over', async () => {
    const params = { installId: await helloInstall() };
    const { steps } = (await platform.as(admin)(readInstall, { params })).body;
    expect(steps.map(({ name }) => name)).toEqual([
      'open',
      'consent',
      'configure',
      'warm',
      'probe',
      'activate',
    ]);
    expect(new Set(steps.map(({ status }) => status))).toEqual(new Set(['done']));
  });

  it('leaves an install to an admin where consent is missing, and goes on once it is granted', async () => {
    const { key } = await createTenant(platform, 'Careful');
    const request = {
      key,
      headers: { prefer: 'wait=60' },
      json: { extension: HELLO, config: { greeting: 'Servus' } },
    };
    const asked = await platform.request('POST', '/api/v1/extensions/install', request);
    expect(asked.status).toBe(202);
    const { installId } = z.object({ installId: z.uuid() }).parse(asked.json);
    expect(asked.json).toMatchObject({ status: 'awaiting-consent', pending: { waitingFor: 'consent' } });
    expect(asked.json).not.toHaveProperty('operation');
    const joined = await platform.request('POST', '/api/v1/extensions/install', request);
    expect(joined.json).toMatchObject({ installId, status: 'awaiting-consent' });
    expect((await call('GET', '/hello/Ada', { key })).status).toBe(404);

    const granted = await platform.request('POST', `/api/v1/installs/${installId}/consent`, {
      key,
      headers: { prefer: 'wait=60' },
      json: { decision: 'grant' },
    });
    expect(granted.status).toBe(201);
    expect(granted.json).toMatchObject({ installId, status: 'active' });
    expect(greeting.parse((await call('GET', '/hello/Ada', { key })).json)).toMatchObject({
      greeting: 'Servus, Ada!',
      count: 1,
    });
  });

  describe('keeps another tenant out', () => {
    let other: { tenantId: string; key: string };
    let installId: string;
    beforeAll(async () => {
      other = await createTenant(platform, 'Other');
      installId = await helloInstall();
      expect(installId).not.toBe('');
    });

    it('of calls, with the answer that nothing is there', async () => {
      const foreign = await platform.request('GET', `/api/ext/${HELLO}/hello/Eve`, { key: other.key });
      const none = await platform.request('GET', '/api/ext/alga.nothing/hello/Eve', { key: other.key });
      expect(foreign.status).toBe(404);
      const plain = (json: unknown): object => ({ ...(json as object), requestId: '', instance: '' });
      expect(plain(foreign.json)).toEqual(plain(none.json));
      const page = await platform.request('GET', `/ext-ui/${HELLO}/index.html`, { key: other.key });
      expect(page.status).toBe(404);
    });

    it('of the install, its settings, secrets, lists and executions', async () => {
      const routes: [string, string][] = [
        ['GET', `/api/v1/installs/${installId}`],
        ['GET', `/api/v1/installs/${installId}/config`],
        ['PUT', `/api/v1/installs/${installId}/config`],
        ['GET', `/api/v1/installs/${installId}/secrets`],
        ['PUT', `/api/v1/installs/${installId}/secrets`],
      ];
      for (const [method, route] of routes) {
        const answer = await platform.request(method, route, {
          key: other.key,
          ...(method === 'PUT' && { json: { greeting: 'Mine' } }),
        });
        expect({ route, method, status: answer.status }).toEqual({ route, method, status: 404 });
      }
      const list = await platform.request('GET', '/api/v1/installs', { key: other.key });
      expect(list.json).toEqual({ items: [] });
      expect(list.text).not.toContain(installId);
    });

    it('of its publishes and of keys of other tenants', async () => {
      const bundle = await bundleOf('hello', { version: '1.1.0' });
      const stolen = await publish(platform, other.key, bundle);
      expect(stolen).toMatchObject({ status: 403 });
      expect(stolen.json).toMatchObject({ code: 'PUBLISHER_NOT_YOURS' });
      const made = await platform.request('POST', '/api/v1/api-keys', {
        key: other.key,
        json: { name: 'theirs', tenantId: platform.local.tenantId, permissions: ['extension:read'] },
      });
      expect(made.status).toBe(403);
    });

    it('while it has an install of its own, with its own data', async () => {
      const made = await install(platform, other.key, { extension: HELLO, config: { greeting: 'Salut' } });
      expectStatus(made, 201);
      const theirs = await platform.request('GET', `/api/ext/${HELLO}/hello/Ada`, { key: other.key });
      expect(greeting.parse(theirs.json)).toEqual({
        greeting: 'Salut, Ada!',
        tenant: other.tenantId,
        count: 1,
      });
      expect(greeting.parse((await call('GET', '/hello/Ada')).json).greeting).toBe('Hello, Ada!');
    });
  });
});
