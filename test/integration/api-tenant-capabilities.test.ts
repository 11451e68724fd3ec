import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Grant } from '../../core/capabilities.ts';
import { PERMISSIONS } from '../../core/permissions.ts';
import { askStorage, tokenFor } from '../support/host-storage.ts';
import {
  installSample,
  problem,
  startApi,
  type InstalledSample,
  type TestApi,
} from '../support/start-api.ts';

let api: TestApi;
let operator: string;
let tenantId: string;
let key: string;
let sample: InstalledSample;
beforeAll(async () => {
  api = await startApi('tenant_capabilities');
  operator = (await api.tenant(['platform:operate'])).key;
});
afterAll(() => api.close());
beforeEach(async () => {
  ({ tenantId, key } = await api.tenant());
  sample = await installSample(api, tenantId, {
    capabilities: [{ name: 'storage.kv', scope: { namespaces: ['notes'] } }, 'config.read'],
  });
  api.runner.seen.length = 0;
  api.runner.reply = () => ({ body: 'hello' });
});

const route = (id = tenantId) => `/api/v1/tenants/${id}/capabilities`;
const switchOff = (...disabled: string[]) =>
  api.request('PUT', route(), { key: operator, json: { disabled } });

/** What an install may do as its next call tells the runner. */
async function provided(of: InstalledSample = sample, by = key): Promise<string[]> {
  const answer = await api.request('GET', `/api/ext/${of.extensionId}/notes/1`, { key: by });
  expect(answer.status).toBe(200);
  const providers = api.runner.seen.at(-1)?.request.providers as Grant[];
  return providers.map(({ capability }) => capability);
}

describe('switching capabilities off for a tenant', () => {
  it('wins over any grant from the next call on, and is taken back the same way', async () => {
    expect(await provided()).toEqual(expect.arrayContaining(['storage.kv', 'config.read', 'user.read']));
    expect(await switchOff('cap:storage.kv', 'user.read', 'user.read')).toMatchObject({
      status: 200,
      json: { tenantId, disabled: ['storage.kv', 'user.read'] },
    });
    const left = await provided();
    expect(left).toContain('config.read');
    expect(left).not.toContain('storage.kv');
    expect(left).not.toContain('user.read');
    await switchOff();
    expect(await provided()).toEqual(expect.arrayContaining(['storage.kv', 'user.read']));
  });

  it('keeps config and secrets from an install, too', async () => {
    await switchOff('config.read');
    await provided();
    expect(api.runner.seen.at(-1)?.request.config).toEqual({});
  });

  it('binds calls that are under way at their next host call', async () => {
    const token = await tokenFor(api, sample);
    const list = () => askStorage(api, 'list', { namespace: 'notes' }, { token });
    expect((await list()).status).toBe(200);
    await switchOff('storage.kv');
    expect((await list()).status).toBe(403);
    await switchOff();
    expect((await list()).status).toBe(200);
  });

  it('is no other tenant’s business', async () => {
    const other = await api.tenant();
    const theirs = await installSample(api, other.tenantId, {
      capabilities: [{ name: 'storage.kv', scope: { namespaces: ['notes'] } }],
    });
    await switchOff('storage.kv');
    expect(await provided(theirs, other.key)).toContain('storage.kv');
  });

  it('is shown to the tenant beside what is granted', async () => {
    const read = async () => (await api.request('GET', `/api/v1/installs/${sample.installId}`, { key })).json;
    expect(await read()).not.toHaveProperty('switchedOff');
    await switchOff('storage.kv', 'secrets.get', 'user.read');
    const install = await read();
    expect(install['switchedOff']).toEqual(['storage.kv', 'user.read']);
    expect(install['grants']).toContainEqual({ capability: 'storage.kv', scope: { namespaces: ['notes'] } });
  });

  it('is read by operators', async () => {
    await switchOff('storage.kv');
    expect(await api.request('GET', route(), { key: operator })).toMatchObject({
      status: 200,
      json: { tenantId, disabled: ['storage.kv'] },
    });
  });

  it('says no to everybody else, to tenants that are not there, and to what is no capability', async () => {
    const all = await api.key(
      tenantId,
      PERMISSIONS.filter((name) => name !== 'platform:operate'),
    );
    for (const method of ['GET', 'PUT']) {
      const json = method === 'PUT' ? { json: { disabled: [] } } : {};
      expect(await api.request(method, route(), { key: all, ...json })).toMatchObject(
        problem(403, 'FORBIDDEN'),
      );
      expect(await api.request(method, route(randomUUID()), { key: operator, ...json })).toMatchObject(
        problem(404, 'NOT_FOUND'),
      );
    }
    const refused = await switchOff('storage.kv', 'storage', 'log.emit');
    expect(refused).toMatchObject(problem(400, 'INPUT_INVALID'));
    expect(refused.json['issues']).toMatchObject([{ path: 'disabled[1]' }, { path: 'disabled[2]' }]);
    expect(await provided()).toContain('storage.kv');
  });
});
