import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { PERMISSIONS } from '../../core/permissions.ts';
import { createInstallOperationStore } from '../../platform/db/install-operations.ts';
import { openInput } from '../support/seed.ts';
import {
  installSample,
  problem,
  startApi,
  type InstalledSample,
  type TestApi,
} from '../support/start-api.ts';

const ENDPOINTS = [
  { method: 'POST', path: '/bills', handler: 'bill', permission: 'billing:manage' },
  { method: 'DELETE', path: '/bills', handler: 'unbill', permission: 'billing:undo' },
  { method: 'GET', path: '/bills', handler: 'list' },
];

let api: TestApi;
let tenantId: string;
let admin: string;
let sample: InstalledSample;
let name: string;

beforeAll(async () => {
  api = await startApi('api_own_permissions');
  ({ tenantId, key: admin } = await api.tenant());
  sample = await installSample(api, tenantId, { api: { endpoints: ENDPOINTS } });
  name = await nameOf(sample);
});
afterAll(() => api.close());

async function nameOf({ extensionId }: InstalledSample): Promise<string> {
  const { json } = await api.request('GET', `/api/v1/extensions/${extensionId}`, { key: admin });
  return String(json['extension']);
}

const make = (permissions: string[], key = admin, more: object = {}) =>
  api.request('POST', '/api/v1/api-keys', { key, json: { name: 'made', permissions, ...more } });
const made = async (permissions: string[]): Promise<string> => String((await make(permissions)).json['key']);
const statusOf = async (key: string, method: string, of = sample): Promise<number> =>
  (await api.request(method, `/api/ext/${of.extensionId}/bills`, { key })).status;

it('a key can hold a permission of an extension’s own, which opens what asks for it and nothing else', async () => {
  const answer = await make([`${name}:billing:manage`, `${name}:billing:manage`]);
  expect(answer).toMatchObject({ status: 201, json: { permissions: [`${name}:billing:manage`] } });
  const key = String(answer.json['key']);
  expect([await statusOf(key, 'POST'), await statusOf(key, 'DELETE'), await statusOf(key, 'GET')]).toEqual([
    200, 403, 403,
  ]);
  expect((await api.request('GET', '/api/v1/installs', { key })).status).toBe(403);
  const both = await made(['extension:read', `${name}:billing:undo`]);
  expect([await statusOf(both, 'POST'), await statusOf(both, 'DELETE'), await statusOf(both, 'GET')]).toEqual(
    [403, 200, 200],
  );
  const { json } = await api.request('GET', '/api/v1/api-keys', { key: admin });
  const listed = (json['items'] as { permissions: string[] }[]).map(({ permissions }) => permissions);
  expect(listed).toContainEqual(['extension:read', `${name}:billing:undo`]);
});

it('what is not there is refused by its place, with what there is', async () => {
  const plain = await nameOf(await installSample(api, tenantId));
  const other = await nameOf(
    await installSample(api, (await api.tenant()).tenantId, { api: { endpoints: ENDPOINTS } }),
  );
  const wanted = [
    'extension:read',
    `${name}:billing:send`,
    `${plain}:notes:write`,
    `${other}:billing:manage`,
    'acme.none:a',
  ];
  const answer = await make(wanted);
  expect(answer).toMatchObject(problem(400, 'INPUT_INVALID'));
  expect(answer.json['issues']).toMatchObject([
    {
      path: 'permissions[1]',
      code: 'unknown_permission',
      message: expect.stringContaining('billing:manage, billing:undo'),
    },
    {
      path: 'permissions[2]',
      code: 'unknown_permission',
      message: expect.stringContaining('none of its own'),
    },
    { path: 'permissions[3]', code: 'not_installed' },
    { path: 'permissions[4]', code: 'not_installed' },
  ]);
  // Whether another tenant has it, nobody learns.
  const [, , theirs, nobodys] = answer.json['issues'] as { message: string }[];
  expect(theirs?.message.replace(other, '')).toBe(nobodys?.message.replace('acme.none', ''));
  for (const faulty of [
    'extension:everything',
    'billing:manage',
    'Acme.sample:x',
    `${name}:`,
    `${sample.extensionId}:billing:manage`,
  ]) {
    const refused = await make([faulty]);
    expect(refused).toMatchObject(problem(400, 'INPUT_INVALID'));
    expect(refused.json['issues']).toMatchObject([
      { path: 'permissions[0]', message: expect.stringContaining('acme.billing') },
    ]);
  }
  expect(await make([`${name}:extension:write`])).toMatchObject(problem(400, 'INPUT_INVALID'));
});

it('only who holds all of them gives one', async () => {
  const operator = await api.key(tenantId, ['platform:operate', 'extension:read']);
  expect(await make([`${name}:billing:manage`], operator)).toMatchObject(problem(403, 'FORBIDDEN'));
  const everything = await api.key((await api.tenant()).tenantId, PERMISSIONS);
  const given = await make([`${name}:billing:manage`], everything, { tenantId });
  expect(given).toMatchObject({ status: 201, json: { tenantId } });
});

it('another install of the same name, and another extension that asks for the same, are not opened by it', async () => {
  const key = await made([`${name}:billing:manage`]);
  expect(await statusOf(key, 'POST')).toBe(200);
  const other = await installSample(api, tenantId, { api: { endpoints: ENDPOINTS } });
  expect(await statusOf(key, 'POST', other)).toBe(403);

  // Uninstalled, and installed once more.
  const gone = { status: 'uninstalled', active_version_id: null, pending_version_id: sample.versionId };
  await api.db('tenant_extension_install').where({ install_id: sample.installId }).update(gone);
  const operations = createInstallOperationStore(api.db);
  const { extensionId, versionId } = sample;
  const again = randomUUID();
  await operations.open(tenantId, openInput({ installId: again, extensionId, versionId }));
  await operations.activate(tenantId, again, versionId, []);
  expect(await statusOf(admin, 'POST')).toBe(200);
  expect(await statusOf(key, 'POST')).toBe(403);
  expect(await statusOf(await made([`${name}:billing:manage`]), 'POST')).toBe(200);
});
