import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { PlatformError } from '../../core/errors.ts';
import { openSecret } from '../../platform/secrets/open-secret.ts';
import { SECRET, WAIT } from '../support/configurable-sample.ts';
import { seedVersion } from '../support/seed.ts';
import { problem, startApi, type TestApi } from '../support/start-api.ts';

let api: TestApi;
let tenantId: string;
let key: string;
let installId: string;
let extension: string;
beforeAll(async () => {
  api = await startApi('api_version_changes');
});
afterAll(() => api.close());

const GREETING = { type: 'string', default: 'Hello', maxLength: 10 };
const settings = (properties: object, required: string[] = []) => ({
  settings: { type: 'object', properties, required },
});
const MORE = { capabilities: ['storage.kv', 'secrets.get'] };
const NEEDY = {
  ...settings({ greeting: GREETING, url: { type: 'string' } }, ['url']),
  secrets: [{ name: 'TOKEN', required: true }],
};
const VERSIONS: Record<string, object> = {
  '1.0.0': { capabilities: ['storage.kv'], ...settings({ greeting: GREETING, old: { type: 'string' } }) },
  '1.1.0': { capabilities: ['storage.kv'], ...settings({ greeting: GREETING }) },
  '1.2.0': { capabilities: ['storage.kv'], ...settings({ greeting: GREETING }) },
  '2.0.0': { ...MORE, ...settings({ greeting: GREETING }) },
  '3.0.0': { capabilities: ['storage.kv'], ...NEEDY },
};

beforeEach(async () => {
  ({ tenantId, key } = await api.tenant());
  api.workflows.fails = undefined;
  api.workflows.changeEnd = 'done';
  api.workflows.settingsDecisions.length = 0;
  api.workflows.installEnd = { status: 'active' };
  extension = `${tenantId}.sample`;
  for (const [version, fields] of Object.entries(VERSIONS)) {
    await seedVersion(api.db, tenantId, { publisher: tenantId, version, ...fields });
  }
  const config = { greeting: 'Hi', old: 'kept' };
  const json = { extension, version: '1.0.0', config, consent: 'all' };
  const installed = await api.request('POST', '/api/v1/extensions/install', { key, headers: WAIT, json });
  expect(installed.status).toBe(201);
  installId = String(installed.json['installId']);
});

const post = (verb: string, json?: object, headers: Record<string, string> = WAIT) =>
  api.request('POST', `/api/v1/installs/${installId}/${verb}`, { key, json, headers });
const upgrade = (version: string, more: object = {}) => post('upgrade', { version, ...more });
const read = (path = '') => api.request('GET', `/api/v1/installs/${installId}${path}`, { key });

describe('an upgrade', () => {
  it('answers the install at the new version, with what it had carried over, and what it can go back to', async () => {
    expect(await upgrade('1.1.*', { config: { greeting: 'Yo' } })).toMatchObject({
      status: 200,
      json: {
        version: '1.1.0',
        status: 'active',
        config: { greeting: 'Yo' },
        previousVersions: ['1.0.0'],
      },
    });
    expect((await read()).json).toMatchObject({ version: '1.1.0', previousVersions: ['1.0.0'] });
  });

  it('is answered with 202 and its address where nobody waits', async () => {
    const url = `/api/v1/installs/${installId}`;
    const answer = await post('upgrade', { version: '1.1.0' }, {});
    expect(answer).toMatchObject({
      status: 202,
      json: { installId, url, workflowId: expect.stringMatching(/^install:/) },
    });
    expect(answer.headers.get('location')).toBe(url);
  });

  it('to the version that is there already changes nothing', async () => {
    expect(await upgrade('1.0.0')).toMatchObject({ status: 200, json: { version: '1.0.0' } });
    expect(api.workflows.upgrades.filter((asked) => asked.installId === installId)).toEqual([]);
  });

  it('that fails answers 422 with why and the install as it was', async () => {
    api.workflows.changeEnd = { code: 'HEALTH_CHECK_FAILED', message: 'GET /health answered 500' };
    expect(await upgrade('1.1.0')).toMatchObject({
      status: 422,
      json: {
        code: 'HEALTH_CHECK_FAILED',
        install: {
          version: '1.0.0',
          status: 'active',
          config: { greeting: 'Hi', old: 'kept' },
          error: { code: 'HEALTH_CHECK_FAILED' },
          previousVersions: [],
        },
      },
    });
  });

  it('joins the same one that runs, and every other is told what runs', async () => {
    api.workflows.changeEnd = 'running';
    expect(await post('upgrade', { version: '1.1.0' }, {})).toMatchObject({
      status: 202,
      json: { version: '1.0.0', pending: { version: '1.1.0' }, operation: { kind: 'upgrade' } },
    });
    expect(await upgrade('1.2.0')).toMatchObject({
      status: 409,
      json: { code: 'OPERATION_RUNNING', running: { operation: 'upgrade' } },
    });
    expect(await post('rollback')).toMatchObject({ status: 409, json: { code: 'OPERATION_RUNNING' } });
    expect(await post('disable', undefined, {})).toMatchObject({ json: { status: 'disabled' } });
  });

  it.each([
    ['a version that is not there', { version: '9.9.9' }, 404, 'NOT_FOUND'],
    ['no version', {}, 400, 'INPUT_INVALID'],
    ['settings that do not fit', { version: '1.1.0', config: { greeting: 7 } }, 422, 'SETTINGS_INVALID'],
    ['settings it does not have', { version: '1.1.0', config: { old: 'x' } }, 422, 'SETTINGS_INVALID'],
    ['an undeclared secret', { version: '1.1.0', secrets: { OTHER: 'b' } }, 422, 'SETTINGS_INVALID'],
    [
      'consent to what is not asked for',
      { version: '1.1.0', consent: ['http.fetch'] },
      422,
      'CONSENT_INVALID',
    ],
  ])('with %s is refused and changes nothing', async (_what, json, status, code) => {
    expect(await post('upgrade', json)).toMatchObject(problem(status, code));
    const install = (await read()).json;
    expect(install).toMatchObject({ version: '1.0.0', status: 'active' });
    expect(install).not.toHaveProperty('pending');
    expect(await api.db('install_draft').where({ tenant_id: tenantId })).toEqual([]);
  });

  it('of an install that has ended, or for who may not install, is refused', async () => {
    const reader = await api.key(tenantId, ['extension:read']);
    const route = `/api/v1/installs/${installId}/upgrade`;
    const json = { version: '1.1.0' };
    expect(await api.request('POST', route, { key: reader, json })).toMatchObject(problem(403, 'FORBIDDEN'));
    const stranger = await api.tenant();
    const foreign = await api.request('POST', route, { key: stranger.key, json });
    expect(foreign).toMatchObject(problem(404, 'NOT_FOUND'));
    await api.request('DELETE', `/api/v1/installs/${installId}`, { key });
    expect(await upgrade('1.1.0')).toMatchObject(problem(409, 'STATE_CONFLICT'));
  });

  it('leaves no draft where nothing was begun, and is answered with 202 where nobody knows', async () => {
    api.workflows.failsOnce.push(new PlatformError('TEMPORAL_UNAVAILABLE', 'away'));
    expect(await upgrade('1.1.0')).toMatchObject(problem(503, 'TEMPORAL_UNAVAILABLE'));
    expect(await api.db('install_draft').where({ tenant_id: tenantId })).toEqual([]);
    api.workflows.failsOnce.push(new PlatformError('TEMPORAL_OUTCOME_UNKNOWN', 'lost'));
    expect(await upgrade('1.1.0')).toMatchObject({ status: 202, json: { version: '1.0.0' } });
    expect(await upgrade('1.1.0')).toMatchObject({ status: 200, json: { version: '1.1.0' } });
  });
});

describe('an upgrade that asks for more', () => {
  beforeEach(() => {
    api.workflows.changeEnd = 'consent';
  });

  it('waits for consent while the old version serves, and the same request joins it', async () => {
    const waiting = {
      version: '1.0.0',
      status: 'active',
      pending: { version: '2.0.0', waitingFor: 'consent' },
    };
    expect(await upgrade('2.0.0')).toMatchObject({ status: 202, json: waiting });
    expect(await upgrade('2.0.0')).toMatchObject({ status: 202, json: waiting });
    expect(await upgrade('1.1.0')).toMatchObject(problem(409, 'STATE_CONFLICT'));
    expect(await post('consent', { decision: 'grant', capabilities: ['http.fetch'] })).toMatchObject(
      problem(422, 'CONSENT_INVALID'),
    );
    const granted = await post('consent', { decision: 'grant', capabilities: ['secrets.get'] }, {});
    expect(granted).toMatchObject({ status: 202 });
    expect(api.workflows.decisions.at(-1)).toMatchObject({
      decision: 'grant',
      capabilities: ['secrets.get'],
    });
  });

  it('does not keep the install from being rolled back: what waits is declined', async () => {
    api.workflows.changeEnd = 'done';
    await upgrade('1.1.0');
    api.workflows.changeEnd = 'consent';
    await upgrade('2.0.0');
    api.workflows.changeEnd = 'done';
    // The fake declines nothing: the real one does before it answers.
    const refused = await post('rollback');
    expect(api.workflows.decisions.at(-1)).toMatchObject({ decision: 'decline' });
    expect(refused).toMatchObject(problem(409, 'STATE_CONFLICT'));
  });
});

describe('an upgrade that needs settings', () => {
  const put = (what: 'config' | 'secrets', json: object) =>
    api.request('PUT', `/api/v1/installs/${installId}/${what}`, { key, json });

  it('waits for them, says which, and goes on with the last one', async () => {
    expect(await upgrade('3.0.0')).toMatchObject({
      status: 202,
      json: { version: '1.0.0', status: 'active', pending: { version: '3.0.0', waitingFor: 'settings' } },
    });
    expect((await read('/config')).json).toMatchObject({
      config: { greeting: 'Hi', old: 'kept' },
      pending: {
        version: '3.0.0',
        config: { greeting: 'Hi' },
        settingsNeeded: ['config.url', 'secrets.TOKEN'],
      },
    });
    expect(await put('config', { url: 7 })).toMatchObject(problem(422, 'SETTINGS_INVALID'));
    expect(await put('config', { old: 'x' })).toMatchObject(problem(422, 'SETTINGS_INVALID'));
    expect(await put('config', { url: 'https://a.test' })).toMatchObject({
      status: 200,
      json: {
        config: { greeting: 'Hi', url: 'https://a.test' },
        pending: { settingsNeeded: ['secrets.TOKEN'] },
      },
    });
    expect(api.workflows.settingsDecisions).toEqual([]);
    const given = await put('secrets', { TOKEN: SECRET });
    expect(given).toMatchObject({ status: 200, json: { secrets: { TOKEN: { set: true } } } });
    expect(given.text).not.toContain(SECRET);
    expect(api.workflows.settingsDecisions).toMatchObject([{ decision: 'given' }]);
    const [held] = (await api.db('install_draft').where({ install_id: installId })) as {
      secrets: { entries: Record<string, { sealed: string }> };
    }[];
    const opened = await openSecret(
      api.secretsPrivateKey,
      { tenantId, installId, name: 'TOKEN' },
      held?.secrets.entries['TOKEN']?.sealed ?? '',
    );
    expect(opened.reveal()).toBe(SECRET);
  });

  it('goes straight through with all of them', async () => {
    const all = { config: { url: 'https://a.test' }, secrets: { TOKEN: SECRET } };
    expect(await upgrade('3.0.0', all)).toMatchObject({
      status: 200,
      json: { version: '3.0.0', config: { greeting: 'Hi', url: 'https://a.test' }, secretsVersion: 2 },
    });
  });

  it('can be declined', async () => {
    await upgrade('3.0.0');
    expect(await post('consent', { decision: 'grant' })).toMatchObject(problem(409, 'STATE_CONFLICT'));
    await post('consent', { decision: 'decline' }, {});
    expect(api.workflows.settingsDecisions).toMatchObject([{ decision: 'decline' }]);
  });

  it('so does an install: its status says so until they are given', async () => {
    await api.request('DELETE', `/api/v1/installs/${installId}`, { key });
    const json = { extension, version: '3.0.0', consent: 'all', config: { greeting: 'Hi' } };
    const answer = await api.request('POST', '/api/v1/extensions/install', { key, headers: WAIT, json });
    expect(answer).toMatchObject({
      status: 202,
      json: { status: 'awaiting-settings', pending: { version: '3.0.0', waitingFor: 'settings' } },
    });
    installId = String(answer.json['installId']);
    await put('secrets', { TOKEN: SECRET });
    expect(await put('config', { url: 'https://a.test' })).toMatchObject({
      status: 200,
      json: { config: { greeting: 'Hi', url: 'https://a.test' } },
    });
    expect(api.workflows.settingsDecisions).toMatchObject([{ decision: 'given' }]);
  });
});

describe('a roll-back', () => {
  it('goes to the version before the last upgrade, and a second one no further', async () => {
    await upgrade('1.2.0');
    await post('rollback', { version: '1.0.0' });
    await upgrade('1.1.0', { config: { greeting: 'Yo' } });
    expect(await post('rollback')).toMatchObject({
      status: 200,
      json: {
        version: '1.0.0',
        config: { greeting: 'Hi', old: 'kept' },
        previousVersions: ['1.1.0', '1.2.0'],
      },
    });
    expect(await post('rollback')).toMatchObject({ status: 200, json: { version: '1.0.0' } });
    expect(await post('rollback', { version: '1.1.0' })).toMatchObject({
      status: 200,
      json: { version: '1.1.0', config: { greeting: 'Yo' } },
    });
    expect(await post('rollback', { version: '1.1.0' })).toMatchObject({ status: 200 });
  });

  it('goes to any kept version by name, and says which there are', async () => {
    await upgrade('1.1.0');
    await upgrade('1.2.0');
    expect(await post('rollback', { version: '2.0.0' })).toMatchObject({
      status: 409,
      json: { code: 'STATE_CONFLICT', detail: expect.stringContaining('1.1.0, 1.0.0') },
    });
    expect(await post('rollback', { version: '1.0.0' })).toMatchObject({
      status: 200,
      json: { version: '1.0.0', previousVersions: ['1.2.0', '1.1.0'] },
    });
  });

  it('does not go to a version that was revoked', async () => {
    await upgrade('1.1.0');
    await api.db('extension_version').where({ version: '1.0.0' }).update({ status: 'revoked' });
    expect(await post('rollback', { version: '1.0.0' })).toMatchObject({
      status: 409,
      json: { code: 'STATE_CONFLICT', detail: expect.stringContaining('revoked') },
    });
    expect(await post('rollback')).toMatchObject(problem(409, 'STATE_CONFLICT'));
  });

  it.each(['paused', 'disabled'])('of an install that is %s leaves it so', async (status) => {
    await upgrade('1.1.0');
    await api.db('tenant_extension_install').where({ install_id: installId }).update({ status });
    expect(await post('rollback')).toMatchObject({ status: 200, json: { version: '1.0.0', status } });
  });
});
