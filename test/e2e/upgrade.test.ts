import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ApiClient } from '../../core/api/client.ts';
import { replaceConfig } from '../../core/api/install-config.ts';
import { disableInstall, enableInstall } from '../../core/api/install-lifecycle.ts';
import { decideConsent, listInstalls, readInstall, type InstallAnswer } from '../../core/api/installs.ts';
import { checkUpgrade } from '../../core/api/upgrades.ts';
import { rollbackInstall, upgradeInstall } from '../../core/api/version-changes.ts';
import { eventually } from '../support/eventually.ts';
import { bundleOf, expectStatus, publish } from '../support/extensions.ts';
import { startPlatform, type Answer, type TestPlatform } from '../support/platform.ts';

const HELLO = 'alga.hello';
const WAIT = { wait: 60 };
const ENDPOINTS = [
  { method: 'GET', path: '/hello/:name', handler: 'hello', permission: 'extension:read' },
  { method: 'GET', path: '/health', handler: 'health', permission: 'extension:read' },
];
const GREETING = { type: 'string', default: 'Hello', maxLength: 100 };
const settings = (more: object, required: string[]) => ({
  settings: { type: 'object', properties: { greeting: GREETING, ...more }, required },
});
const VERSIONS: Record<string, Record<string, unknown>> = {
  '1.1.0': {},
  // Of an endpoint that the guest does not know.
  '1.2.0': {
    health: '/nothing',
    api: {
      endpoints: [
        ...ENDPOINTS,
        { method: 'GET', path: '/nothing', handler: 'nothing', permission: 'extension:read' },
      ],
    },
  },
  '2.0.0': {
    capabilities: [
      'config.read',
      { name: 'storage.kv', scope: { namespaces: ['counters', 'more'] } },
      { name: 'secrets.get', optional: true },
    ],
  },
  '3.0.0': settings({ city: { type: 'string' } }, ['city']),
};

let platform: TestPlatform;
let admin: ApiClient;
let params: { installId: string };

beforeAll(async () => {
  platform = await startPlatform();
  admin = platform.as(platform.local.keys.admin);
  const { items } = (await admin(listInstalls, {})).body;
  params = { installId: items.find(({ extension }) => extension === HELLO)?.installId ?? '' };
  for (const [version, fields] of Object.entries(VERSIONS)) {
    const bundle = await bundleOf('hello', { version, ...fields });
    expectStatus(await publish(platform, platform.local.keys.admin, bundle), 201);
  }
}, 900_000);
afterAll(() => platform.close());

const call = (name = 'Ada'): Promise<Answer> =>
  platform.request('GET', `/api/ext/${HELLO}/hello/${name}`, { key: platform.local.keys.user });
const read = async (): Promise<InstallAnswer> => (await admin(readInstall, { params })).body;
const upgrade = (version: string) => admin(upgradeInstall, { params, body: { version } }, WAIT);
const rollBack = () => admin(rollbackInstall, { params, body: {} }, WAIT);

/** Calls on and on, from several clients, while something happens; answers what was not 200. */
async function underCalls(happens: () => Promise<void>): Promise<{ calls: number; failed: Answer[] }> {
  let over = false;
  let calls = 0;
  const failed: Answer[] = [];
  const client = async (name: string): Promise<void> => {
    while (!over) {
      const answer = await call(name);
      calls += 1;
      if (answer.status !== 200) failed.push(answer);
    }
  };
  const clients = ['Ada', 'Grace', 'Mary', 'Jean'].map((name) => client(name));
  await happens().finally(() => (over = true));
  await Promise.all(clients);
  return { calls, failed };
}

describe('an install under steady calls', () => {
  it('is upgraded and rolled back, and no call fails', async () => {
    const { calls, failed } = await underCalls(async () => {
      expect(await upgrade('1.1.*')).toMatchObject({
        status: 200,
        body: { status: 'active', version: '1.1.0', previousVersions: ['1.0.0'] },
      });
      expect(await rollBack()).toMatchObject({
        status: 200,
        body: { status: 'active', version: '1.0.0', previousVersions: ['1.1.0'] },
      });
    });
    expect(failed).toEqual([]);
    expect(calls).toBeGreaterThan(0);
    expect((await read()).steps.every(({ status }) => status === 'done')).toBe(true);
  });

  it('keeps its version when the new one fails its probe, and no call fails', async () => {
    const { failed } = await underCalls(async () => {
      const refused = await platform.request('POST', `/api/v1/installs/${params.installId}/upgrade`, {
        key: platform.local.keys.admin,
        headers: { prefer: 'wait=60' },
        json: { version: '1.2.0' },
      });
      expect(refused).toMatchObject({
        status: 422,
        json: { code: 'HEALTH_CHECK_FAILED', install: { version: '1.0.0', status: 'active' } },
      });
    });
    expect(failed).toEqual([]);
    expect(await read()).toMatchObject({ version: '1.0.0', error: { code: 'HEALTH_CHECK_FAILED' } });
  });
});

it('a version that asks for more waits for consent while the old one serves', async () => {
  const { body: check } = await admin(checkUpgrade, {
    body: { installId: params.installId, version: '2.0.0' },
  });
  expect(check).toMatchObject({ needsConsent: true, added: ['storage.kv', 'secrets.get'] });
  expect(await upgrade('2.0.0')).toMatchObject({
    status: 202,
    body: { version: '1.0.0', status: 'active', pending: { version: '2.0.0', waitingFor: 'consent' } },
  });
  expect((await call()).status).toBe(200);
  const granted = await admin(decideConsent, { params, body: { decision: 'grant', capabilities: [] } }, WAIT);
  expect(granted).toMatchObject({ status: 200, body: { version: '2.0.0' } });
  expect((await read()).grants.map(({ capability }) => capability)).toEqual(['config.read', 'storage.kv']);
  expect(await rollBack()).toMatchObject({ status: 200, body: { version: '1.0.0' } });
});

it('a version that needs settings waits for them, and takes over what there is', async () => {
  await admin(replaceConfig, { params, body: { greeting: 'Moin' } });
  expect(await upgrade('3.0.0')).toMatchObject({
    status: 202,
    body: { version: '1.0.0', pending: { version: '3.0.0', waitingFor: 'settings' } },
  });
  await admin(replaceConfig, { params, body: { city: 'Kiel' } });
  await eventually(async () =>
    expect(await read()).toMatchObject({
      version: '3.0.0',
      config: { greeting: 'Moin', city: 'Kiel' },
    }),
  );
  await eventually(async () => expect(await read()).not.toHaveProperty('operation'));
  expect((await call()).json).toMatchObject({ greeting: 'Moin, Ada!' });
  expect(await rollBack()).toMatchObject({ status: 200, body: { config: { greeting: 'Moin' } } });
});

it('an install that is disabled while it is upgraded refuses calls at once, and keeps its version', async () => {
  await admin(upgradeInstall, { params, body: { version: '1.1.0' } });
  const disabling = await admin(disableInstall, { params });
  expect(disabling.body).toMatchObject({ status: 'disabled' });
  expect((await call()).status).toBe(404);
  await admin(disableInstall, { params }, WAIT);
  await eventually(async () => expect(await read()).not.toHaveProperty('operation'));
  const { version, status } = await read();
  expect(status).toBe('disabled');
  expect(['1.0.0', '1.1.0']).toContain(version);
  expect(await read()).not.toHaveProperty('pending');
  await admin(enableInstall, { params }, WAIT);
  expect((await call()).status).toBe(200);
});
