import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { seedVersion } from '../support/seed.ts';
import { problem, startApi, type TestApi } from '../support/start-api.ts';

let api: TestApi;
let tenantId: string;
let key: string;
let extension: string;
beforeAll(async () => {
  api = await startApi('consent_scopes');
});
afterAll(() => api.close());
beforeEach(async () => {
  ({ tenantId, key } = await api.tenant());
  ({ extensionId: extension } = await seedVersion(api.db, tenantId, {
    publisher: tenantId,
    capabilities: [
      { name: 'storage.kv', scope: { namespaces: ['notes', 'drafts'] } },
      { name: 'secrets.get', optional: true },
    ],
  }));
  api.workflows.installEnd = { status: 'active' };
});

const NOTES = { capability: 'cap:storage.kv', scope: { namespaces: ['notes'] } };
const install = (consent: unknown) =>
  api.request('POST', '/api/v1/extensions/install', { key, json: { extension, consent } });

describe('consent with narrower scopes', () => {
  it('is handed to the install with the scopes that are given', async () => {
    expect((await install([NOTES, 'secrets.get'])).status).toBe(202);
    expect(api.workflows.installs.at(-1)).toMatchObject({
      consent: ['secrets.get', 'storage.kv'],
      narrowed: [{ capability: 'storage.kv', scope: { namespaces: ['notes'] } }],
    });
  });

  it('withholds some of what every install has', async () => {
    const withheld = { capability: 'user.read', scope: { fields: ['name'] } };
    expect((await install([NOTES, withheld])).status).toBe(202);
    expect(api.workflows.installs.at(-1)).toMatchObject({
      consent: ['storage.kv'],
      narrowed: [{ capability: 'storage.kv' }, withheld],
    });
  });

  it('is handed to the wait that it ends', async () => {
    api.workflows.installEnd = { status: 'awaiting-consent' };
    const { json } = await install([]);
    const decided = await api.request('POST', `/api/v1/installs/${String(json['installId'])}/consent`, {
      key,
      json: { decision: 'grant', capabilities: [NOTES] },
    });
    expect(decided.status).toBe(202);
    expect(api.workflows.decisions.at(-1)).toMatchObject({
      capabilities: ['storage.kv'],
      narrowed: [{ capability: 'storage.kv', scope: { namespaces: ['notes'] } }],
    });
  });

  it('is handed to the wait of an upgrade, while the version before serves', async () => {
    const { json } = await install('all');
    const { installId } = json as { installId: string };
    await api
      .db('tenant_extension_install')
      .where({ install_id: installId })
      .update({ pending_version_id: api.db.ref('active_version_id'), waiting_for: 'consent' });
    const decided = await api.request('POST', `/api/v1/installs/${installId}/consent`, {
      key,
      json: { decision: 'grant', capabilities: [NOTES] },
    });
    expect(decided.status).toBe(202);
    expect(api.workflows.decisions.at(-1)).toMatchObject({
      narrowed: [{ capability: 'storage.kv', scope: { namespaces: ['notes'] } }],
    });
  });

  it('is handed to an upgrade, whose grants it is', async () => {
    const { json } = await install([NOTES]);
    const version = '2.0.0';
    const capabilities = ['storage.kv', { name: 'secrets.get', optional: true }];
    await seedVersion(api.db, tenantId, { publisher: tenantId, version, capabilities });
    const asked = [NOTES, { capability: 'secrets.get', scope: { names: ['TOKEN'] } }];
    const upgrade = (consent: unknown) =>
      api.request('POST', `/api/v1/installs/${String(json['installId'])}/upgrade`, {
        key,
        json: { version, consent },
        headers: { prefer: 'wait=30' },
      });
    expect(await upgrade([{ capability: 'storage.kv', scope: { names: ['TOKEN'] } }])).toMatchObject(
      problem(422, 'CONSENT_INVALID'),
    );
    expect((await upgrade(asked)).json).toMatchObject({
      version,
      grants: [
        { capability: 'secrets.get', scope: { names: ['TOKEN'] } },
        { capability: 'storage.kv', scope: { namespaces: ['notes'] } },
      ],
    });
  });

  it('is refused where a scope is wider than what is asked for, or none of the capability', async () => {
    const answer = await install([
      { capability: 'storage.kv', scope: { namespaces: ['notes', 'other'] } },
      { capability: 'secrets.get', scope: { hosts: ['a.example'] } },
    ]);
    expect(answer).toMatchObject(problem(422, 'CONSENT_INVALID'));
    expect(answer.json['issues']).toMatchObject([
      { path: 'consent[0].scope', code: 'wider' },
      { path: 'consent[1].scope', code: 'scope_invalid' },
    ]);
    expect(await install([{ capability: 'http.fetch', scope: {} }])).toMatchObject(
      problem(422, 'CONSENT_INVALID'),
    );
  });
});
