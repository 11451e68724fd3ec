import { afterAll, beforeAll, expect, it } from '@jest/globals';
import {
  disableInstall,
  enableInstall,
  exportInstall,
  pauseInstall,
  restoreInstall,
  resumeInstall,
  uninstallInstall,
} from '../../core/api/install-lifecycle.ts';
import { listInstalls, readInstall } from '../../core/api/installs.ts';
import type { ApiClient } from '../../core/api/client.ts';
import { listExecutions } from '../../core/api/executions.ts';
import { eventually } from '../support/eventually.ts';
import { startPlatform, type Answer, type TestPlatform } from '../support/platform.ts';

const HELLO = 'alga.hello';
const WAIT = { wait: 60 };

let platform: TestPlatform;
let admin: ApiClient;
let params: { installId: string };

beforeAll(async () => {
  platform = await startPlatform();
  admin = platform.as(platform.local.keys.admin);
  const { items } = (await admin(listInstalls, {})).body;
  params = { installId: items.find(({ extension }) => extension === HELLO)?.installId ?? '' };
}, 900_000);
afterAll(() => platform.close());

const call = (): Promise<Answer> =>
  platform.request('GET', `/api/ext/${HELLO}/hello/Ada`, { key: platform.local.keys.user });
const ui = (): Promise<Answer> =>
  platform.request('GET', `/ext-ui/${HELLO}/index.html`, { key: platform.local.keys.user });

it('an install is paused and resumed: the next call finds it so', async () => {
  expect((await call()).status).toBe(200);
  expect(await admin(pauseInstall, { params }, WAIT)).toMatchObject({
    status: 200,
    body: { status: 'paused' },
  });
  const paused = await call();
  expect(paused).toMatchObject({ status: 503, json: { code: 'INSTALL_PAUSED' } });
  expect(paused.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
  expect(await admin(resumeInstall, { params }, WAIT)).toMatchObject({
    status: 200,
    body: { status: 'active' },
  });
  expect((await call()).status).toBe(200);
});

it('an install is disabled and enabled: once disabling is answered no call is served', async () => {
  // Not waited for: calls are refused from the answer on, while the workflow still drains.
  const disabling = await admin(disableInstall, { params });
  expect(disabling).toMatchObject({ status: 202, body: { status: 'disabled' } });
  expect(await call()).toMatchObject({ status: 404, json: { code: 'NOT_FOUND' } });
  expect((await ui()).status).toBe(404);
  expect(await admin(disableInstall, { params }, WAIT)).toMatchObject({ status: 200 });
  const enabled = await admin(enableInstall, { params }, WAIT);
  expect(enabled).toMatchObject({ status: 200, body: { status: 'active' } });
  expect(enabled.body).toMatchObject({
    steps: ['open', 'warm', 'probe', 'enable'].map((name) => ({ name, status: 'done' })),
  });
  expect((await call()).status).toBe(200);
});

it('an install is uninstalled, exported, restored with what it kept, and purged', async () => {
  const before = (await call()).json as { count: number };
  const removed = await admin(uninstallInstall, { params }, WAIT);
  expect(removed).toMatchObject({ status: 200, body: { status: 'uninstalled', purgeAt: expect.any(Date) } });
  expect((await call()).status).toBe(404);
  const { body: lines } = await admin(exportInstall, { params });
  expect(lines.at(-1)).toEqual({
    type: 'end',
    records: lines.filter(({ type }) => type === 'record').length,
  });
  expect(lines.some(({ type }) => type === 'record')).toBe(true);

  expect(await admin(restoreInstall, { params }, WAIT)).toMatchObject({
    status: 200,
    body: { status: 'active' },
  });
  expect((await call()).json).toMatchObject({ count: before.count + 1 });

  await admin(uninstallInstall, { params, query: { purge: 'now' } }, WAIT);
  await eventually(async () =>
    expect((await admin(readInstall, { params })).body).not.toHaveProperty('purgeAt'),
  );
  expect((await admin(exportInstall, { params })).body).toMatchObject([
    { type: 'install', status: 'uninstalled' },
    { type: 'config', config: {} },
    { type: 'end', records: 0 },
  ]);
  const { body } = await admin(listExecutions, { query: { installId: params.installId } });
  expect(body.items).toEqual([]);
});
