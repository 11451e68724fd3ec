import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { bundleOf, publishAndInstall } from '../support/extensions.ts';
import { startPlatform, type TestPlatform } from '../support/platform.ts';

let platform: TestPlatform;

beforeAll(async () => {
  platform = await startPlatform();
}, 900_000);
afterAll(() => platform.close());

it('publishes, installs and answers calls of the example built with QuickJS', async () => {
  const bundle = await bundleOf('hello', { name: 'hello-quickjs' }, 'quickjs');
  const extension = 'alga.hello-quickjs';
  await publishAndInstall(platform, bundle, { extension, config: { greeting: 'Grüß Gott' } });
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
});
