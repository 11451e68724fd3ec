import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bundleOf, publishAndInstall } from '../support/extensions.ts';
import { BUILD_WITHIN_MS } from '../support/guests.ts';
import { startPlatform, type Answer, type TestPlatform } from '../support/platform.ts';

let platform: TestPlatform;

beforeAll(async () => {
  platform = await startPlatform();
}, 900_000);
afterAll(() => platform.close());

const greeters = [
  { extension: 'alga.hello-quickjs', bundle: () => bundleOf('hello', { name: 'hello-quickjs' }) },
  { extension: 'alga.rust-hello', bundle: () => bundleOf('rust-hello') },
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

describe('an extension in Rust that misbehaves', () => {
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
