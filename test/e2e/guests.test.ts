import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bundleElsewhere, BUILDS_ELSEWHERE } from '../support/elsewhere.ts';
import {
  bundleOf,
  createTenant,
  expectStatus,
  install,
  publish,
  publishAndInstall,
} from '../support/extensions.ts';
import { eventually } from '../support/eventually.ts';
import { BUILD_WITHIN_MS, hasRust } from '../support/guests.ts';
import { startPlatform, type Answer, type TestPlatform } from '../support/platform.ts';

let platform: TestPlatform;

beforeAll(async () => {
  platform = await startPlatform();
}, 900_000);
afterAll(() => platform.close());

const greeters = [
  { extension: 'alga.hello-quickjs', bundle: () => bundleOf('hello', { name: 'hello-quickjs' }, 'quickjs') },
  ...(hasRust ? [{ extension: 'alga.rust-hello', bundle: () => bundleOf('rust-hello') }] : []),
];

it.each(greeters)(
  'publishes, installs and answers calls of $extension',
  async ({ extension, bundle }) => {
    await publishAndInstall(platform, await bundle(), { extension, config: { greeting: 'Grüß Gott' } });
    const key = platform.local.keys.user;
    const tenant = platform.local.tenantId;
    for (const count of [1, 2]) {
      const { json } = await platform.request('GET', `/api/ext/${extension}/hello/%F0%9F%A6%8A`, { key });
      expect(json).toEqual({ greeting: 'Grüß Gott, 🦊!', tenant, count });
    }
    const bytes = randomBytes(300_000);
    const echo = { key, bytes, headers: { 'content-type': 'image/png' } };
    const echoed = await platform.request('POST', `/api/ext/${extension}/echo`, echo);
    expect(echoed.bytes.equals(bytes)).toBe(true);
  },
  BUILD_WITHIN_MS,
);

describe.each(['starlingmonkey', 'quickjs'] as const)('an exception in a guest of %s', (engine) => {
  it(
    'is told in its sources to who may debug it, by the request, and to nobody who calls',
    async () => {
      const { local } = platform;
      const name = `hostile-${engine}`;
      await publishAndInstall(platform, await bundleOf('hostile', { name }, engine), {
        extension: `alga.${name}`,
      });
      const throwOnce = async () => {
        const failed = await platform.request('GET', `/api/ext/alga.${name}/throw`, {
          key: local.keys.user,
        });
        expect(failed).toMatchObject({ status: 502, json: { code: 'GUEST_FAILED' } });
        expect(JSON.stringify(failed.json)).not.toMatch(/on purpose|main\.ts/);
        const { requestId } = failed.json as { requestId: string };
        const found = await eventually(async () => {
          const list = await platform.request('GET', `/api/v1/executions?requestId=${requestId}`, {
            key: local.keys.admin,
          });
          const [item] = (list.json as { items: { executionId: string; status: string }[] }).items;
          expect(item).toMatchObject({ status: 'failed' });
          return item;
        });
        return async (key: string) => {
          const route = `/api/v1/executions/${found?.executionId ?? ''}`;
          return (await platform.request('GET', route, { key })).json as { exception?: string };
        };
      };
      // On a busy machine the first call does not wait until the bundle's map is read.
      await eventually(async () => {
        const read = await throwOnce();
        const { exception } = await read(local.keys.admin);
        expect(exception).toMatch(/thrown on purpose[^]*src\/main\.ts:60:/);
        expect(exception).not.toContain('initializer.js');
        expect(await read(local.keys.user)).not.toHaveProperty('exception');
      });
    },
    BUILD_WITHIN_MS,
  );
});

/** Granted are its records and its secrets, of which there are none; everything else says so in its own way. */
const EVERY_IMPORT = {
  context: true,
  storage: 'kept',
  secrets: [0, 'error: missing'],
  http: 'error: not-allowed',
  uiProxy: 'error: denied',
  user: 'error: not-available',
  userV2: 'error: not-available',
  schedules: 'error: denied',
  schedule: false,
  clients: 'error: not-allowed',
  client: 'error: not-allowed',
  services: 'error: not-allowed',
  service: 'error: not-allowed',
  invoice: false,
};

describe('an extension built elsewhere, with the manifest it came with', () => {
  const extension = 'nine-winds.com.example.agreements';
  let patch = 0;

  it.each(BUILDS_ELSEWHERE)(
    'publishes, installs and answers when it is built by %s',
    async (build) => {
      const { admin } = platform.local.keys;
      const published = await publish(platform, admin, await bundleElsewhere(build));
      expectStatus(published, 201);
      // `1.2.*` is the next patch, in the registry's manifest as well.
      const version = `1.2.${patch++}`;
      const { checks } = published.json as { checks: { name: string; result: string; required: boolean }[] };
      expect(published.json).toMatchObject({ extension, version });
      expect(checks).toContainEqual(
        expect.objectContaining({ name: 'precompiled', result: 'failed', required: false }),
      );
      const registered = await platform.request(
        'GET',
        `/api/v1/extensions/${extension}/versions/${version}`,
        { key: admin },
      );
      expect(registered.json).toMatchObject({ version, manifest: { version, entry: 'dist/main.wasm' } });

      const { key } = await createTenant(platform, build);
      expectStatus(await install(platform, key, { extension, version }), 201);
      const call = (path: string) => platform.request('GET', `/api/ext/${extension}${path}`, { key });
      expect(await call('/agreements')).toMatchObject({ status: 200, json: EVERY_IMPORT });
      const sync = {
        key,
        bytes: randomBytes(10_000),
        headers: { 'content-type': 'application/octet-stream' },
      };
      expect(await platform.request('POST', `/api/ext/${extension}/agreements/sync`, sync)).toMatchObject({
        status: 202,
        json: { method: 'POST', bytes: 10_000 },
      });
      expect(await call('/agreements/none')).toMatchObject({
        status: 404,
        json: { unknown: '/agreements/none' },
      });
      if (!build.endsWith('without WASI')) {
        expect((await call('/agreements/wasi')).json).toEqual({ year: true, random: true });
      }
    },
    BUILD_WITHIN_MS,
  );
});

(hasRust ? describe : describe.skip)('an extension in Rust that misbehaves', () => {
  beforeAll(async () => {
    await publishAndInstall(platform, await bundleOf('rust-hostile'), { extension: 'alga.rust-hostile' });
  }, BUILD_WITHIN_MS);

  const call = (route: string): Promise<Answer> =>
    platform.request('GET', `/api/ext/alga.rust-hostile${route}`, { key: platform.local.keys.user });

  it('is stopped alone at its deadline, and its other calls are answered meanwhile', async () => {
    let looping = true;
    const loop = call('/loop').finally(() => (looping = false));
    const beside = await call('/state');
    expect([beside.json, looping]).toEqual([{ calls: 1 }, true]);
    expect(await loop).toMatchObject({ status: 504, json: { code: 'GUEST_TIMEOUT' } });
  });

  it.each([
    ['/memory', 'GUEST_OUT_OF_MEMORY'],
    ['/throw', 'GUEST_FAILED'],
    ['/recurse', 'GUEST_FAILED'],
  ])('gets a 502 for %s, and leaves the next call unharmed', async (route, code) => {
    expect(await call(route)).toMatchObject({ status: 502, json: { code } });
    expect((await call('/state')).json).toEqual({ calls: 1 });
  });

  it('is denied what it was not granted', async () => {
    expect((await call('/storage')).json).toEqual({ error: 'denied' });
  });
});
