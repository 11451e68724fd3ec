import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import {
  bundleOf,
  createTenant,
  expectStatus,
  install,
  publish,
  publishAndInstall,
} from '../support/extensions.ts';
import { startPlatform, type Answer, type TestPlatform } from '../support/platform.ts';

const WAIT = { prefer: 'wait=60' };

// A platform takes as long to start as all of these take: those of one guest share it.
let platform: TestPlatform;
beforeAll(async () => {
  platform = await startPlatform();
}, 900_000);
afterAll(() => platform.close());

describe('an extension that misbehaves', () => {
  let neighbour: { key: string };

  beforeAll(async () => {
    await publishAndInstall(platform, await bundleOf('hostile'), { extension: 'alga.hostile' });
    neighbour = await createTenant(platform, 'Neighbour');
    expectStatus(await install(platform, neighbour.key, { extension: 'alga.hello' }), 201);
  });

  const call = (route: string): Promise<Answer> =>
    platform.request('GET', `/api/ext/alga.hostile${route}`, { key: platform.local.keys.user });
  const neighbourCalls = (): Promise<Answer> =>
    platform.request('GET', '/api/ext/alga.hello/hello/neighbour', { key: neighbour.key });

  /** Repeats `work` until the answer is there. */
  async function whileServing(bad: Promise<Answer>, work: () => Promise<void>): Promise<Answer> {
    for (;;) {
      await work();
      const answer = await Promise.race([bad, Promise.resolve(undefined)]);
      if (answer) return answer;
    }
  }

  it.each([
    ['loops without end', '/loop'],
    ['recurses without end', '/recurse'],
  ])('that %s is stopped while a neighbour is served as before', async (_what, route) => {
    const bad = call(route);
    const during: number[] = [];
    const answer = await whileServing(bad, async () => {
      during.push((await neighbourCalls()).status);
    });
    expect(new Set(during)).toEqual(new Set([200]));
    // A stack that overflows traps before its deadline.
    expect([502, 504]).toContain(answer.status);
    expect(answer.json).toMatchObject({ code: answer.status === 504 ? 'GUEST_TIMEOUT' : 'GUEST_FAILED' });
    if (route === '/loop') expect(answer.status).toBe(504);
    expect((await call('/ok')).status).toBe(200);
  });

  it.each(['/memory', '/memory-objects'])('that fills its memory (%s) is stopped with 502', async (route) => {
    const answer = await call(route);
    expect(answer.status).toBe(502);
    expect(answer.json).toMatchObject({ code: 'GUEST_OUT_OF_MEMORY' });
    expect((await neighbourCalls()).status).toBe(200);
    expect((await call('/ok')).status).toBe(200);
  });

  it('that asks for storage without a grant is denied it', async () => {
    const answer = await call('/storage');
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({ error: 'denied' });
  });

  it('that throws, answers nonsense or too much gets a 502 that tells nothing of its inside', async () => {
    for (const route of ['/throw', '/no-response', '/big']) {
      const answer = await call(route);
      expect({ route, status: answer.status }).toEqual({ route, status: 502 });
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
      expect(answer.text).not.toContain('thrown on purpose');
    }
  });

  it('keeps nothing from one call to the next', async () => {
    expect((await call('/state')).json).toEqual({ calls: 1 });
    expect((await call('/state')).json).toEqual({ calls: 1 });
    expect((await call('/random')).text).not.toBe((await call('/random')).text);
  });
});

describe('an extension whose calls share an instance', () => {
  let admin: string;

  beforeAll(async () => {
    ({ admin } = platform.local.keys);
    const bundle = await bundleOf('hostile', {
      name: 'counting',
      instance: 'shared',
      settings: { type: 'object', properties: { step: { type: 'integer', default: 1 } } },
    });
    expectStatus(await publish(platform, admin, bundle), 201);
  });

  const call = (route: string, key = admin): Promise<Answer> =>
    platform.request('GET', `/api/ext/alga.counting${route}`, { key });
  const count = async (key?: string): Promise<unknown> =>
    z.object({ calls: z.int() }).parse((await call('/state', key)).json).calls;

  it('is shown as one before it is installed, and waits until a person agrees', async () => {
    const version = await platform.request('GET', '/api/v1/extensions/alga.counting/versions/1.0.0', {
      key: admin,
    });
    const { permissions } = z.object({ permissions: z.array(z.looseObject({})) }).parse(version.json);
    expect(permissions).toContainEqual(
      expect.objectContaining({ capability: 'instance.shared', always: false, optional: false }),
    );
    const asked = await install(platform, admin, { extension: 'alga.counting', consent: ['log.emit'] });
    expect(asked).toMatchObject({ status: 202, json: { pending: { waitingFor: 'consent' } } });
    const { installId } = z.object({ installId: z.uuid() }).parse(asked.json);
    const granted = await platform.request('POST', `/api/v1/installs/${installId}/consent`, {
      key: admin,
      headers: WAIT,
      json: { decision: 'grant' },
    });
    expect(granted).toMatchObject({
      status: 201,
      json: { status: 'active', grants: [{ capability: 'instance.shared', scope: {} }] },
    });
  });

  it('finds what its calls left, and nothing of its probe', async () => {
    expect([await count(), await count(), await count()]).toEqual([1, 2, 3]);
  });

  it('finds nothing of another tenant', async () => {
    const other = await createTenant(platform, 'Other');
    const consent = ['instance.shared'];
    expectStatus(await install(platform, other.key, { extension: 'alga.counting', consent }), 201);
    expect([await count(other.key), await count(other.key), await count()]).toEqual([1, 2, 4]);
  });

  it('begins anew after a call that failed, and with another config', async () => {
    expect((await call('/throw')).status).toBe(502);
    expect([await count(), await count()]).toEqual([1, 2]);
    const installs = await platform.request('GET', '/api/v1/installs', { key: admin });
    const { items } = z
      .object({ items: z.array(z.object({ installId: z.uuid(), extension: z.string() })) })
      .parse(installs.json);
    const { installId = '' } = items.find(({ extension }) => extension === 'alga.counting') ?? {};
    const changed = await platform.request('PUT', `/api/v1/installs/${installId}/config`, {
      key: admin,
      headers: WAIT,
      json: { step: 2 },
    });
    expectStatus(changed, 200);
    expect([await count(), await count()]).toEqual([1, 2]);
  });
});
