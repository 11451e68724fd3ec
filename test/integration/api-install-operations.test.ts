import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { PlatformError } from '../../core/errors.ts';
import { MANIFEST, SECRET, WAIT } from '../support/configurable-sample.ts';
import { seedVersion } from '../support/seed.ts';
import { problem, startApi, type TestApi } from '../support/start-api.ts';

let api: TestApi;
let tenantId: string;
let key: string;
beforeAll(async () => {
  api = await startApi('api_install_operations');
});
afterAll(() => api.close());

let extension: string;
beforeEach(async () => {
  ({ tenantId, key } = await api.tenant());
  api.workflows.fails = undefined;
  api.workflows.installEnd = { status: 'active' };
  await seedVersion(api.db, tenantId, { ...MANIFEST, publisher: tenantId });
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

describe('an operation of which nobody knows yet whether it has begun', () => {
  const unknown = new PlatformError('TEMPORAL_OUTCOME_UNKNOWN', 'no worker has answered');
  const drafts = () => api.db('install_draft').where({ tenant_id: tenantId });

  it('is answered with 202 and its address, which tells of it, and joined by the same request', async () => {
    api.workflows.failsOnce.push(unknown);
    const asked = await install();
    expect(asked).toMatchObject({
      status: 202,
      json: { status: 'installing', pending: { version: '1.0.0' }, configVersion: 0 },
    });
    const { installId, url } = asked.json as { installId: string; url: string };
    expect(asked.headers.get('location')).toBe(url);
    expect((await api.request('GET', url, { key })).json).toMatchObject({ installId, status: 'installing' });
    const stranger = await api.tenant();
    expect((await api.request('GET', url, { key: stranger.key })).status).toBe(404);

    expect(await install()).toMatchObject({ status: 201, json: { installId, status: 'active' } });
    expect(await drafts()).toEqual([]);
  });

  it('shows as failed once its settings have expired, and they are gone', async () => {
    api.workflows.failsOnce.push(unknown);
    const { installId, url } = (await install({}, {})).json as { installId: string; url: string };
    await drafts().update({ expires_at: new Date(Date.now() - 1000) });
    expect((await api.request('GET', url, { key })).json).toMatchObject({
      installId,
      status: 'failed',
      error: { code: 'OPERATION_EXPIRED' },
    });
    const again = await install();
    expect(again).toMatchObject({ status: 201 });
    expect(again.json['installId']).not.toBe(installId);
    expect(await drafts()).toMatchObject([{ install_id: installId, config: null, secrets: null }]);
    expect((await api.request('GET', url, { key })).json).toMatchObject({ status: 'failed' });
  });

  it('may be a change of settings: 202 with where it will show', async () => {
    const route = `/api/v1/installs/${await installed()}/config`;
    api.workflows.failsOnce.push(unknown);
    const asked = await api.request('PUT', route, { key, json: { greeting: 'Hi' } });
    expect(asked).toMatchObject({ status: 202, json: { status: 'configuring', url: route } });
    expect(asked.headers.get('location')).toBe(route);
    const again = await api.request('PUT', route, { key, json: { greeting: 'Hi' } });
    expect(again).toMatchObject({ status: 200, json: { config: { greeting: 'Hi' } } });
    expect(await drafts()).toEqual([]);
  });

  it.each([
    ['nothing was begun', new PlatformError('TEMPORAL_UNAVAILABLE', 'away'), 503],
    [
      'another operation runs',
      new PlatformError('OPERATION_RUNNING', 'busy', { details: { operation: 'install' } }),
      409,
    ],
  ])('leaves no draft behind when %s', async (_what, error, status) => {
    api.workflows.installEnd = { status: 'installing' };
    await install({}, {});
    await drafts().delete();
    api.workflows.fails = error;
    expect((await install({ config: { count: 1 } }, {})).status).toBe(status);
    api.workflows.fails = undefined;
    expect(await drafts()).toEqual([]);
  });

  it('was done although it was refused, when the refusal was for its own twin: it is answered as done', async () => {
    const route = `/api/v1/installs/${await installed()}/config`;
    api.workflows.answersLost.push(
      new PlatformError('STATE_CONFLICT', 'the config or secrets sent with this request have expired'),
    );
    const answer = await api.request('PUT', route, { key, json: { greeting: 'Hi' } });
    expect(answer).toMatchObject({ status: 200, json: { config: { greeting: 'Hi' } } });
  });

  it('shows as failed once another install of the extension is alive', async () => {
    api.workflows.failsOnce.push(unknown);
    const { url } = (await install({ config: { count: 1 } }, {})).json as { url: string };
    expect((await api.request('GET', url, { key })).json).toMatchObject({ status: 'installing' });
    await installed();
    expect((await api.request('GET', url, { key })).json).toMatchObject({
      status: 'failed',
      error: { code: 'OPERATION_EXPIRED', message: 'another install of the extension came first' },
    });
  });

  it('is tried again while the operation before is over in the row and not yet in Temporal', async () => {
    const route = `/api/v1/installs/${await installed()}/config`;
    const ending = new PlatformError('OPERATION_RUNNING', 'busy', { details: { operation: 'install' } });
    api.workflows.failsOnce.push(ending, ending);
    const answer = await api.request('PUT', route, { key, json: { greeting: 'Hi' } });
    expect(answer).toMatchObject({ status: 200, json: { config: { greeting: 'Hi' } } });
    expect(api.workflows.failsOnce).toEqual([]);
  });
});

describe('consent', () => {
  it('is passed on for an install that waits for it, with who decided', async () => {
    api.workflows.installEnd = { status: 'awaiting-consent' };
    const answer = await install({}, {});
    const installId = String(answer.json['installId']);
    const waiting = await api.request('GET', `/api/v1/installs/${installId}`, { key, headers: WAIT });
    expect(waiting.json).toMatchObject({
      status: 'awaiting-consent',
      pending: { version: '1.0.0', waitingFor: 'consent' },
    });
    expect(waiting.json).not.toHaveProperty('operation');
    const route = `/api/v1/installs/${installId}/consent`;
    const wrong = { decision: 'grant', capabilities: ['client.read'] };
    expect(await api.request('POST', route, { key, json: wrong })).toMatchObject(
      problem(422, 'CONSENT_INVALID'),
    );
    const json = { decision: 'grant', capabilities: ['cap:secrets.get', 'storage.kv'] };
    expect((await api.request('POST', route, { key, json })).status).toBe(202);
    expect(api.workflows.decisions.at(-1)).toEqual({
      decision: 'grant',
      capabilities: ['secrets.get', 'storage.kv'],
      decidedBy: key.split('_')[1],
    });
  });

  it('takes what an admin was shown: also what every install has, and what nobody provides yet', async () => {
    await seedVersion(api.db, tenantId, {
      ...MANIFEST,
      capabilities: [...MANIFEST.capabilities, { name: 'events.emit', optional: true }],
      publisher: tenantId,
      version: '2.0.0',
    });
    const route = `/api/v1/extensions/${extension}/versions/2.0.0`;
    const { permissions } = (await api.request('GET', route, { key })).json as {
      permissions: { capability: string }[];
    };
    const consent = permissions.map(({ capability }) => capability);
    expect(consent).toEqual(expect.arrayContaining(['events.emit', 'log.emit']));
    expect(await install({ consent, version: '2.0.0' })).toMatchObject({ status: 201 });
    expect(api.workflows.installs.at(-1)?.consent).toEqual(['secrets.get', 'storage.kv']);
  });

  it('is joined by the same request again, and another one is refused with what waits', async () => {
    api.workflows.installEnd = { status: 'awaiting-consent' };
    const first = await install({}, {});
    const started = api.workflows.installs.length;
    const again = await install({}, {});
    expect(again).toMatchObject({ status: 202, json: { installId: first.json['installId'] } });
    expect(api.workflows.installs).toHaveLength(started);
    expect(await api.db('install_draft').where({ tenant_id: tenantId })).toHaveLength(1);
    const other = await install({ config: { greeting: 'Other' } }, {});
    expect(other).toMatchObject(problem(409, 'STATE_CONFLICT'));
    expect(other.json['detail']).toContain(String(first.json['installId']));
  });

  it('is refused for an install that does not wait for it', async () => {
    const route = `/api/v1/installs/${await installed()}/consent`;
    const answer = await api.request('POST', route, { key, json: { decision: 'grant' } });
    expect(answer).toMatchObject(problem(409, 'STATE_CONFLICT'));
  });
});
