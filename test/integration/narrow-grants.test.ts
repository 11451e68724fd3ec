import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Grant } from '../../core/capabilities.ts';
import { PlatformError } from '../../core/errors.ts';
import { PERMISSIONS } from '../../core/permissions.ts';
import { askStorage, tokenFor } from '../support/host-storage.ts';
import {
  installSample,
  problem,
  startApi,
  type InstalledSample,
  type TestApi,
} from '../support/start-api.ts';

const WHOLE: Grant[] = [
  { capability: 'secrets.get', scope: {} },
  { capability: 'storage.kv', scope: { namespaces: ['notes', 'drafts'] } },
];
let api: TestApi;
let tenantId: string;
let key: string;
let sample: InstalledSample;
beforeAll(async () => {
  api = await startApi('narrow_grants');
});
afterAll(() => api.close());
beforeEach(async () => {
  ({ tenantId, key } = await api.tenant());
  sample = await installSample(api, tenantId, {
    capabilities: [
      { name: 'storage.kv', scope: { namespaces: ['notes', 'drafts'] } },
      { name: 'secrets.get', optional: true },
    ],
  });
  api.runner.seen.length = 0;
});

const narrow = (grants: unknown, by = key) =>
  api.request('PUT', `/api/v1/installs/${sample.installId}/grants`, { key: by, json: { grants } });
const read = async () => (await api.request('GET', `/api/v1/installs/${sample.installId}`, { key })).json;

describe('narrowing the grants of an install', () => {
  it('binds from the next call on', async () => {
    const notes = [{ capability: 'storage.kv', scope: { namespaces: ['notes'] } }];
    expect(await narrow(notes)).toMatchObject({
      status: 200,
      json: { installId: sample.installId, status: 'active', grants: notes },
    });
    await api.request('GET', `/api/ext/${sample.extensionId}/notes/1`, { key });
    const providers = api.runner.seen.at(-1)?.request.providers as Grant[];
    expect(providers).toContainEqual(notes[0]);
    expect(providers.map(({ capability }) => capability)).not.toContain('secrets.get');
    expect((await read())['grants']).toEqual(notes);
  });

  it('withholds the e-mail address of who calls, and gives it back to nobody', async () => {
    const withheld: Grant = { capability: 'user.read', scope: { fields: ['name', 'client'] } };
    expect((await narrow([...WHOLE, withheld])).json['grants']).toEqual([...WHOLE, withheld]);
    await api.request('GET', `/api/ext/${sample.extensionId}/notes/1`, { key });
    const providers = api.runner.seen.at(-1)?.request.providers as Grant[];
    expect(providers.filter(({ capability }) => capability === 'user.read')).toEqual([withheld]);
    expect((await narrow(WHOLE)).json['grants']).toEqual([...WHOLE, withheld]);
    expect(await narrow([...WHOLE, { capability: 'user.read', scope: {} }])).toMatchObject(
      problem(422, 'CONSENT_INVALID'),
    );
  });

  it('binds the storage of calls that are under way', async () => {
    const token = await tokenFor(api, sample);
    const list = (namespace: string) => askStorage(api, 'list', { namespace }, { token });
    expect((await list('drafts')).status).toBe(200);
    await narrow([{ capability: 'storage.kv', scope: { namespaces: ['notes'] } }]);
    expect((await list('drafts')).status).toBe(403);
    expect((await list('notes')).status).toBe(200);
  });

  it('sent again changes nothing, and goes one way only', async () => {
    const less = [
      { capability: 'cap:storage.kv', scope: { namespaces: ['notes'] } },
      { capability: 'secrets.get' },
    ];
    const first = await narrow(less);
    expect((await narrow(less)).json['grants']).toEqual(first.json['grants']);
    const wider = await narrow([{ capability: 'storage.kv', scope: { namespaces: ['notes', 'drafts'] } }]);
    expect(wider).toMatchObject(problem(422, 'CONSENT_INVALID'));
    expect(wider.json['issues']).toMatchObject([{ path: 'grants[0].scope', code: 'wider' }]);
    expect((await read())['grants']).toEqual(first.json['grants']);
  });

  it('refuses to leave less than the version requires, and changes nothing', async () => {
    expect(await narrow([])).toMatchObject(problem(422, 'CONSENT_INVALID'));
    expect(await narrow([{ capability: 'nonsense' }])).toMatchObject(problem(400, 'INPUT_INVALID'));
    expect((await read())['grants']).toEqual(WHOLE);
  });

  it('is for who may install, in the own tenant', async () => {
    const reader = await api.key(
      tenantId,
      PERMISSIONS.filter((name) => name !== 'extension:install'),
    );
    expect(await narrow([], reader)).toMatchObject(problem(403, 'FORBIDDEN'));
    const stranger = (await api.tenant()).key;
    expect(await narrow([], stranger)).toMatchObject(problem(404, 'NOT_FOUND'));
    const nobody = `/api/v1/installs/${randomUUID()}/grants`;
    expect(await api.request('PUT', nobody, { key, json: { grants: [] } })).toMatchObject(
      problem(404, 'NOT_FOUND'),
    );
  });

  it('says where to look when nobody can tell whether it was begun', async () => {
    api.workflows.failsOnce.push(new PlatformError('TEMPORAL_OUTCOME_UNKNOWN', 'perhaps'));
    expect(await narrow([{ capability: 'storage.kv' }])).toMatchObject({
      status: 202,
      json: { installId: sample.installId, url: `/api/v1/installs/${sample.installId}` },
    });
  });

  it('says who gave what is left', async () => {
    await narrow([
      { capability: 'storage.kv', scope: { namespaces: ['notes'] } },
      { capability: 'secrets.get' },
    ]);
    const rows = (await api
      .db('tenant_extension_grant')
      .where({ install_id: sample.installId })
      .orderBy('capability')
      .pluck('granted_by')) as string[];
    expect(rows[0]).toBe('test');
    expect(rows[1]).toMatch(/^[0-9a-f]{16}$/);
  });
});
