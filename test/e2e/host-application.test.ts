import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { freePort } from '../../starter/ports.ts';
import { eventually } from '../support/eventually.ts';
import { bundleOf, createTenant, install, publishAndInstall } from '../support/extensions.ts';
import { BUILD_WITHIN_MS } from '../support/guests.ts';
import { startPlatform, type TestPlatform } from '../support/platform.ts';

const MAIN = path.resolve(import.meta.dirname, '../../examples/host-application/src/main.ts');
const CAPABILITIES = ['client.read', 'service.read', 'invoice.manual.create', 'ui.proxy', 'scheduler.manage'];

let platform: TestPlatform;
let host: ChildProcess;

beforeAll(async () => {
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  platform = await startPlatform({
    HOST_API_BASE_URL: `${base}/extensions`,
    UI_PROXY_BASE_URL: `${base}/extension-routes`,
  });
  host = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN], {
    env: { PORT: String(port), GATEWAY_URL: platform.local.gateway },
    stdio: 'inherit',
  });
  await eventually(async () => expect((await fetch(base)).status).toBe(404));
}, 900_000);
afterAll(async () => {
  const exited = once(host, 'exit');
  host.kill();
  await Promise.all([exited, platform.close()]);
});

/** Of the guests' own lines in the runner's log. */
function hostLines(): string[] {
  const log = readFileSync(path.join(platform.starter.dataDir, 'logs', 'runner.log'), 'utf8');
  return log
    .split('\n')
    .filter((line) => line.includes('"from":"host"'))
    .map((line) => (JSON.parse(line) as { msg: string }).msg);
}

describe('an extension that imports the whole world', () => {
  it(
    'reaches the host application through what it was granted, each tenant its own',
    async () => {
      await publishAndInstall(platform, await bundleOf('host-application'), {
        extension: 'alga.host-application',
      });
      const { tenantId, keys } = platform.local;
      const { json } = await platform.request('GET', '/api/ext/alga.host-application/all', {
        key: keys.user,
      });
      const client = { clientId: 'c-1', clientName: `Ada of ${tenantId}`, isInactive: false };
      expect(json).toMatchObject({
        listClients: { items: [client], totalCount: 1, page: 1, pageSize: 25 },
        getClient: client,
        noClient: 'none',
        listServices: { items: [{ serviceId: 's-1', itemKind: 'service', defaultRate: 99.5 }] },
        getService: { serviceName: 'Support', billingMethod: 'hourly' },
        createManualInvoice: { success: true, invoiceNumber: 'INV-1', status: 'draft', total: 201 },
        faultyInvoice: { success: false, fieldErrors: expect.stringContaining('dueDate') as unknown },
        callRoute: { tenant: tenantId, asked: { open: true }, tickets: ['Printer on fire'] },
        otherRoute: { error: 'denied' },
        listSchedules: { error: 'internal' },
        createSchedule: { success: false, error: 'schedules are not served by this platform yet' },
        getSecret: { error: 'denied' },
        getRecord: { error: 'denied' },
        fetch: { error: 'not-allowed' },
        getConfig: '{}',
        getUser: { error: 'not-available' },
        getUserV2: { error: 'not-available' },
      });
      await eventually(() =>
        expect(hostLines()).toEqual(
          expect.arrayContaining([
            'cap:scheduler.manage is granted, and schedules are not served by this platform yet',
            expect.stringContaining('add {"name":"cap:secrets.get","scope":{"names":["NOBODY_GRANTED"]}}'),
            expect.stringContaining('add {"name":"cap:storage.kv","scope":{"namespaces":["notes"]}}'),
          ]),
        ),
      );
      const other = await createTenant(platform, 'another');
      await install(platform, other.key, { extension: 'alga.host-application' });
      const theirs = await platform.request('GET', '/api/ext/alga.host-application/all', { key: other.key });
      expect(theirs.json).toMatchObject({
        getClient: { clientName: `Ada of ${other.tenantId}` },
        createManualInvoice: { invoiceNumber: 'INV-2' },
      });
    },
    BUILD_WITHIN_MS,
  );

  it(
    'runs with nothing granted as long as it calls nothing, and is denied each call',
    async () => {
      const capabilities = CAPABILITIES.map((name) => ({ name, optional: true }));
      const bundle = await bundleOf('host-application', { name: 'ungranted', capabilities });
      await publishAndInstall(platform, bundle, { extension: 'alga.ungranted', consent: [] });
      const call = async (route: string) =>
        (await platform.request('GET', `/api/ext/alga.ungranted${route}`, { key: platform.local.keys.user }))
          .json;
      expect(await call('/nothing')).toEqual({});
      expect(await call('/all')).toMatchObject({
        listClients: { error: 'not-allowed' },
        getService: { error: 'not-allowed' },
        createManualInvoice: {
          success: false,
          error: 'the capability cap:invoice.manual.create is not granted',
        },
        callRoute: { error: 'denied' },
        listSchedules: { error: 'denied' },
        createSchedule: { success: false, error: 'the capability cap:scheduler.manage is not granted' },
      });
    },
    BUILD_WITHIN_MS,
  );
});
