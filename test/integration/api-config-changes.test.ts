import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { PlatformError } from '../../core/errors.ts';
import { createInstallDraftStore } from '../../platform/db/install-drafts.ts';
import { MANIFEST, SECRET, WAIT } from '../support/configurable-sample.ts';
import { seedVersion } from '../support/seed.ts';
import { startApi, type ApiAnswer, type TestApi } from '../support/start-api.ts';

let api: TestApi;
let tenantId: string;
let key: string;
let url: string;
beforeAll(async () => {
  api = await startApi('api_config_changes');
});
afterAll(() => api.close());
beforeEach(async () => {
  ({ tenantId, key } = await api.tenant());
  api.workflows.begun = () => undefined;
  await seedVersion(api.db, tenantId, { ...MANIFEST, publisher: tenantId });
  const json = { extension: `${tenantId}.sample`, consent: 'all', secrets: { API_TOKEN: SECRET } };
  const installed = await api.request('POST', '/api/v1/extensions/install', { key, headers: WAIT, json });
  url = `/api/v1/installs/${String(installed.json['installId'])}`;
});

const put = (greeting: string): Promise<ApiAnswer> =>
  api.request('PUT', `${url}/config`, { key, json: { greeting } });
const get = async (route: string) => (await api.request('GET', route, { key })).json;
const unknown = new PlatformError('TEMPORAL_OUTCOME_UNKNOWN', 'no worker has answered');

describe('a change of config or secrets of which nobody knows whether it has begun', () => {
  it.each([
    ['config', { greeting: 'Hi' }],
    ['secrets', { API_TOKEN: 'another' }],
  ])('shows as under way at the address it was answered with, and at the install: %s', async (what, json) => {
    api.workflows.failsOnce.push(unknown);
    const asked = await api.request('PUT', `${url}/${what}`, { key, json });
    const { changeId } = asked.json;
    expect(asked).toMatchObject({ status: 202, json: { status: 'configuring', url: `${url}/${what}` } });
    const changes = [{ changeId, status: 'configuring', requestedAt: expect.any(String) }];
    expect(await get(`${url}/${what}`)).toMatchObject({ changes });
    expect(await get(url)).toMatchObject({ changes });

    const again = await api.request('PUT', `${url}/${what}`, { key, json });
    expect(again.status).toBe(200);
    expect(await get(url)).not.toHaveProperty('changes');
    expect(await get(`${url}/${what}`)).not.toHaveProperty('changes');
  });

  it('shows as failed once nobody will take it up any more, beside what is served', async () => {
    api.workflows.failsOnce.push(unknown);
    const { changeId } = (await put('Lost')).json;
    const draft = api.db('install_draft').where({ tenant_id: tenantId });
    await draft.update({ expires_at: new Date(Date.now() - 1000) });
    const changes = [{ changeId, status: 'failed', error: { code: 'OPERATION_EXPIRED' } }];
    expect(await get(url)).toMatchObject({ status: 'active', changes });
    expect(await get(`${url}/config`)).toMatchObject({ config: { greeting: 'Hello' }, changes });
    const stranger = await api.tenant();
    expect((await api.request('GET', `${url}/config`, { key: stranger.key })).status).toBe(404);
  });

  it('shows as failed with the reason when its workflow came later and could not apply it', async () => {
    api.workflows.failsOnce.push(unknown);
    const { changeId } = (await put('Late')).json;
    const error = { code: 'STATE_CONFLICT', message: 'for a version that is gone' } as const;
    await createInstallDraftStore(api.db).fail(tenantId, String(changeId), error);
    expect(await get(url)).toMatchObject({ changes: [{ changeId, status: 'failed', error }] });
    expect(await api.db('install_draft').where({ tenant_id: tenantId })).toMatchObject([
      { config: null, secrets: null, digest: null },
    ]);
  });
});

describe('a change of config', () => {
  it("answers the values and the version it led to, and not another request's later ones", async () => {
    let later: ApiAnswer | undefined;
    api.workflows.begun = async () => {
      api.workflows.begun = () => undefined;
      later = await put('Later');
    };
    const first = await put('First');
    expect(later).toMatchObject({ status: 200, json: { config: { greeting: 'Later' } } });
    expect(first).toMatchObject({ status: 200, json: { config: { greeting: 'First' } } });
    expect(Number(later?.json['version'])).toBe(Number(first.json['version']) + 1);
    expect(await get(`${url}/config`)).toMatchObject({ config: { greeting: 'Later' } });
  });

  it('that resets it answers the defaults and the version', async () => {
    const before = await put('First');
    const reset = await api.request('DELETE', `${url}/config`, { key });
    expect(reset).toMatchObject({ status: 200, json: { version: Number(before.json['version']) + 1 } });
    expect(reset.json['config']).not.toMatchObject({ greeting: 'First' });
  });
});
