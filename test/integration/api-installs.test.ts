import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { PlatformError } from '../../core/errors.ts';
import { openSecret } from '../../platform/secrets/open-secret.ts';
import { MANIFEST, SECRET, WAIT } from '../support/configurable-sample.ts';
import { seedVersion } from '../support/seed.ts';
import { problem, startApi, type TestApi } from '../support/start-api.ts';

let api: TestApi;
let tenantId: string;
let key: string;
beforeAll(async () => {
  api = await startApi('api_installs');
});
afterAll(() => api.close());

let extensionId: string;
let extension: string;
let publisherTenant: string;
beforeEach(async () => {
  ({ tenantId, key } = await api.tenant());
  publisherTenant = tenantId;
  api.workflows.fails = undefined;
  api.workflows.installEnd = { status: 'active' };
  const version = await seedVersion(api.db, tenantId, { ...MANIFEST, publisher: tenantId });
  ({ extensionId } = version);
  extension = `${tenantId}.sample`;
});

const install = (json: Record<string, unknown> = {}, headers: Record<string, string> = WAIT) =>
  api.request('POST', '/api/v1/extensions/install', {
    key,
    headers,
    json: { extension, consent: 'all', secrets: { API_TOKEN: SECRET }, ...json },
  });

async function installed(): Promise<string> {
  const answer = await install();
  expect(answer.status).toBe(201);
  return String(answer.json['installId']);
}

describe('an install', () => {
  it('comes to life with its settings, and answers 201 when waited for', async () => {
    const answer = await install({ config: { count: 3 } });
    expect(answer).toMatchObject({
      status: 201,
      json: {
        extension,
        version: '1.0.0',
        status: 'active',
        config: { greeting: 'Hello', count: 3 },
        configVersion: 1,
        secretsVersion: 1,
      },
    });
    const url = `/api/v1/installs/${String(answer.json['installId'])}`;
    expect(answer.headers.get('location')).toBe(url);
    expect((await api.request('GET', url, { key })).json).toMatchObject({ status: 'active' });
  });

  it('answers 202 while it runs, with the workflow that runs it', async () => {
    api.workflows.installEnd = { status: 'installing' };
    const answer = await install({}, {});
    expect(answer).toMatchObject({
      status: 202,
      json: { status: 'installing', workflowId: `install:${tenantId}:${extensionId}` },
    });
  });

  it('answers 200 if it is there already, and 409 if it is there at another version', async () => {
    const installId = await installed();
    expect(await install()).toMatchObject({ status: 200, json: { installId, status: 'active' } });
    await seedVersion(api.db, tenantId, { ...MANIFEST, publisher: tenantId, version: '1.1.0' });
    expect(await install()).toMatchObject(problem(409, 'INSTALL_EXISTS'));
    expect(await install({ version: '1.0.*' })).toMatchObject({ status: 200 });
  });

  it('that fails answers 422 with why, and can be tried again: another install, the failed one still to be looked at', async () => {
    api.workflows.installEnd = {
      status: 'failed',
      error: { code: 'HEALTH_CHECK_FAILED', message: 'it answered 500' },
    };
    const answer = await install();
    expect(answer).toMatchObject(problem(422, 'HEALTH_CHECK_FAILED'));
    api.workflows.installEnd = { status: 'active' };
    const failed = answer.json['install'] as { installId: string };
    const again = await install();
    expect(again.status).toBe(201);
    expect(again.json['installId']).not.toBe(failed.installId);
    const before = await api.request('GET', `/api/v1/installs/${failed.installId}`, { key });
    expect(before.json).toMatchObject({ status: 'failed', error: { code: 'HEALTH_CHECK_FAILED' } });
  });

  it('has the same digest for the same input, another for another secret, and none that tells the secret', async () => {
    api.workflows.fails = undefined;
    const digests: string[] = [];
    for (const secret of [SECRET, SECRET, 'another']) {
      api.workflows.installEnd = { status: 'failed', error: { code: 'INTERNAL', message: 'x' } };
      await install({ secrets: { API_TOKEN: secret } });
      digests.push(api.workflows.installs.at(-1)?.digest ?? '');
    }
    expect(digests[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(digests[1]).toBe(digests[0]);
    expect(digests[2]).not.toBe(digests[0]);
    expect(JSON.stringify(api.workflows.installs)).not.toContain(SECRET);
  });

  it.each([
    ['no such extension', { extension: 'acme.nothing' }, 404, 'NOT_FOUND'],
    ['no such version', { version: '9.9.9' }, 404, 'NOT_FOUND'],
    ['a version that is none', { version: 'latest' }, 400, 'INPUT_INVALID'],
    ['a member nobody knows', { tenantId: 'x' }, 400, 'INPUT_INVALID'],
    ['settings that do not fit', { config: { greeting: 7 } }, 422, 'SETTINGS_INVALID'],
    ['an undeclared secret', { secrets: { API_TOKEN: 'a', OTHER: 'b' } }, 422, 'SETTINGS_INVALID'],
    ['consent to what is not asked for', { consent: ['http.fetch'] }, 422, 'CONSENT_INVALID'],
    ['consent to what does not exist', { consent: ['cap:nothing'] }, 422, 'CONSENT_INVALID'],
  ])('is refused with %s, and nothing is begun', async (_case, json, status, code) => {
    const before = api.workflows.installs.length;
    expect(await install(json)).toMatchObject(problem(status, code));
    expect(api.workflows.installs.length).toBe(before);
    expect(await api.db('install_draft').where({ tenant_id: tenantId })).toEqual([]);
    expect((await api.request('GET', '/api/v1/installs', { key })).json).toEqual({ items: [] });
  });

  it('names the secret at fault by its path', async () => {
    const answer = await install({ secrets: { OTHER: 'a' } });
    expect(answer.json['issues']).toMatchObject([{ path: 'secrets.OTHER', code: 'unknown_secret' }]);
  });

  it('of a version that needs what this platform lacks is refused', async () => {
    await seedVersion(api.db, tenantId, {
      publisher: tenantId,
      name: 'emitter',
      capabilities: [{ name: 'events.emit', scope: {} }],
    });
    const answer = await install({ extension: `${tenantId}.emitter`, secrets: {} });
    expect(answer).toMatchObject(problem(422, 'CAPABILITY_UNAVAILABLE'));
  });

  it('refused because another operation runs says which, and no digest', async () => {
    const details = { operation: 'configure', digest: 'd1gest' };
    api.workflows.fails = new PlatformError('OPERATION_RUNNING', 'another operation is running', { details });
    const answer = await install();
    expect(answer).toMatchObject(problem(409, 'OPERATION_RUNNING'));
    expect(answer.json['running']).toEqual({ operation: 'configure' });
    expect(answer.text).not.toContain('d1gest');
  });

  it('is not there for another tenant, in any route', async () => {
    const installId = await installed();
    const { key: stranger } = await api.tenant();
    const routes: [string, string, unknown?][] = [
      ['GET', ''],
      ['GET', '/config'],
      ['PUT', '/config', {}],
      ['DELETE', '/config'],
      ['GET', '/secrets'],
      ['PUT', '/secrets', { API_TOKEN: 'x' }],
      ['DELETE', '/secrets'],
      ['POST', '/consent', { decision: 'decline' }],
    ];
    for (const [method, route, json] of routes) {
      const answer = await api.request(method, `/api/v1/installs/${installId}${route}`, {
        key: stranger,
        ...(json !== undefined && { json }),
      });
      expect(answer).toMatchObject(problem(404, 'NOT_FOUND'));
    }
    expect((await api.request('GET', '/api/v1/installs', { key: stranger })).json).toEqual({ items: [] });
  });

  it('shows settings only to who may change them', async () => {
    const installId = await installed();
    const reader = await api.key(tenantId, ['extension:read']);
    const { json } = await api.request('GET', `/api/v1/installs/${installId}`, { key: reader });
    expect(json).not.toHaveProperty('config');
    for (const part of ['config', 'secrets']) {
      const answer = await api.request('GET', `/api/v1/installs/${installId}/${part}`, { key: reader });
      expect(answer).toMatchObject(problem(403, 'FORBIDDEN'));
    }
  });
});

describe('settings', () => {
  it('are replaced, versioned and reset with the secrets', async () => {
    const route = `/api/v1/installs/${await installed()}`;
    const put = await api.request('PUT', `${route}/config`, { key, json: { greeting: 'Salut' } });
    expect(put).toMatchObject({ status: 200, json: { config: { greeting: 'Salut' }, version: 2 } });
    const bad = await api.request('PUT', `${route}/config`, {
      key,
      json: { greeting: 'far too long for it' },
    });
    expect(bad).toMatchObject(problem(422, 'SETTINGS_INVALID'));
    const reset = await api.request('DELETE', `${route}/config`, { key });
    expect(reset).toMatchObject({ status: 200, json: { config: { greeting: 'Hello' }, version: 3 } });
    const { json } = await api.request('GET', `${route}/secrets`, { key });
    expect(json).toEqual({ secrets: { API_TOKEN: { set: false }, SALT: { set: false } }, version: 2 });
  });

  it('of an install that is not there yet cannot be changed', async () => {
    api.workflows.installEnd = { status: 'failed', error: { code: 'INTERNAL', message: 'x' } };
    const answer = await install();
    const { installId } = answer.json['install'] as { installId: string };
    const put = await api.request('PUT', `/api/v1/installs/${installId}/config`, { key, json: {} });
    expect(put).toMatchObject(problem(409, 'STATE_CONFLICT'));
  });
});

describe('secrets', () => {
  it('are sealed to the runner, and stand in no row, answer or log', async () => {
    const installId = await installed();
    const route = `/api/v1/installs/${installId}/secrets`;
    const put = await api.request('PUT', route, { key, json: { SALT: `${SECRET}-salt` } });
    expect(put).toMatchObject({
      status: 200,
      json: { secrets: { API_TOKEN: { set: true }, SALT: { set: true } }, version: 2 },
    });
    const texts = [put.text, (await api.request('GET', route, { key })).text, ...api.log];
    for (const table of ['install_draft', 'tenant_extension_install_secrets', 'tenant_extension_install']) {
      texts.push(JSON.stringify(await api.db(table)));
    }
    for (const text of texts) expect(text).not.toContain(SECRET);

    const row = (await api
      .db('tenant_extension_install_secrets')
      .where({ install_id: installId, name: 'API_TOKEN' })
      .first()) as { sealed: string };
    const binding = { tenantId: publisherTenant, installId, name: 'API_TOKEN' };
    expect((await openSecret(api.secretsPrivateKey, binding, row.sealed)).reveal()).toBe(SECRET);
  });

  it('can be removed, but not one that is required', async () => {
    const route = `/api/v1/installs/${await installed()}/secrets`;
    await api.request('PUT', route, { key, json: { SALT: 'salt' } });
    const removed = await api.request('PUT', route, { key, json: { SALT: null } });
    expect(removed.json['secrets']).toMatchObject({ API_TOKEN: { set: true }, SALT: { set: false } });
    const refused = await api.request('PUT', route, { key, json: { API_TOKEN: null } });
    expect(refused).toMatchObject(problem(422, 'SETTINGS_INVALID'));
    expect(await api.request('DELETE', route, { key })).toMatchObject(problem(422, 'SETTINGS_INVALID'));
  });

  it.each([
    ['no name', {}],
    ['a value that is no text', { SALT: 7 }],
    ['an empty value', { SALT: '' }],
  ])('are refused with %s', async (_case, json) => {
    const route = `/api/v1/installs/${await installed()}/secrets`;
    expect(await api.request('PUT', route, { key, json })).toMatchObject(problem(400, 'INPUT_INVALID'));
  });

  it('are not repeated when the body is at fault', async () => {
    const route = `/api/v1/installs/${await installed()}/secrets`;
    const answer = await api.request('PUT', route, { key, json: { UNKNOWN: SECRET } });
    expect(answer).toMatchObject(problem(422, 'SETTINGS_INVALID'));
    const malformed = await api.request('PUT', route, {
      key,
      body: `{"SALT": "${SECRET}"`,
      headers: { 'content-type': 'application/json' },
    });
    expect(malformed).toMatchObject(problem(400, 'INPUT_INVALID'));
    for (const text of [answer.text, malformed.text, ...api.log]) expect(text).not.toContain(SECRET);
  });
});
