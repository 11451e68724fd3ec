import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bundleOf, createTenant, expectStatus, install, publishAndInstall } from '../support/extensions.ts';
import { startPlatform, type Answer, type TestPlatform } from '../support/platform.ts';

describe('an extension that misbehaves', () => {
  let platform: TestPlatform;
  let neighbour: { key: string };

  beforeAll(async () => {
    platform = await startPlatform();
    await publishAndInstall(platform, await bundleOf('hostile', {}, 'starlingmonkey'), {
      extension: 'alga.hostile',
    });
    neighbour = await createTenant(platform, 'Neighbour');
    expectStatus(await install(platform, neighbour.key, { extension: 'alga.hello' }), 201);
  }, 900_000);
  afterAll(() => platform.close());

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
