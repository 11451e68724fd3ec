import { afterAll, beforeAll, expect, it } from '@jest/globals';
import {
  installSample,
  problem,
  startApi,
  type InstalledSample,
  type TestApi,
} from '../support/start-api.ts';
import { seedVersion } from '../support/seed.ts';

let api: TestApi;
let tenantId: string;
let key: string;
let install: InstalledSample;
beforeAll(async () => {
  api = await startApi('api_check_upgrade');
  ({ tenantId, key } = await api.tenant());
  install = await installSample(api, tenantId, { name: 'upgradable' });
  const next = { name: 'upgradable', publisher: tenantId };
  await seedVersion(api.db, tenantId, { ...next, version: '1.1.0' });
  await seedVersion(api.db, tenantId, {
    ...next,
    version: '2.0.0',
    capabilities: [{ name: 'storage.kv', scope: { namespaces: ['notes', 'logs'] } }, 'secrets.get'],
    secrets: [{ name: 'TOKEN', required: true }],
  });
});
afterAll(() => api.close());

const check = (version: string, by = key) =>
  api.request('POST', '/api/v1/extensions/check-upgrade', {
    key: by,
    json: { installId: install.installId, version },
  });

it('a version that asks for no more needs nothing', async () => {
  expect(await check('1.*')).toMatchObject(problem(400, 'INPUT_INVALID'));
  const nothing = { needsConsent: false, added: [], permissions: [], settingsNeeded: [] };
  expect(await check('1.1.*')).toMatchObject({ status: 200, json: { version: '1.1.0', ...nothing } });
});

it('a version that asks for more says what, with scopes, and which settings it lacks', async () => {
  expect(await check('2.0.0')).toMatchObject({
    status: 200,
    json: {
      needsConsent: true,
      added: ['storage.kv', 'secrets.get'],
      permissions: [
        { capability: 'storage.kv', scope: { namespaces: ['notes', 'logs'] } },
        { capability: 'secrets.get' },
      ],
      settingsNeeded: ['secrets.TOKEN'],
    },
  });
});

it('is told nothing who may not install, or asks about a foreign install or a version that is not there', async () => {
  const reader = await api.key(tenantId, ['extension:read']);
  expect(await check('1.1.0', reader)).toMatchObject(problem(403, 'FORBIDDEN'));
  const stranger = await api.tenant();
  expect(await check('1.1.0', stranger.key)).toMatchObject(problem(404, 'NOT_FOUND'));
  expect(await check('3.0.0')).toMatchObject(problem(404, 'NOT_FOUND'));
});
