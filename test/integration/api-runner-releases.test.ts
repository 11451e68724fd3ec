import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { installSample, problem, startApi, type TestApi } from '../support/start-api.ts';

let api: TestApi;
let admin: string;
let root: string;

beforeAll(async () => {
  api = await startApi('api_runner_releases');
  const { tenantId, key } = await api.tenant();
  admin = key;
  const sample = await installSample(api, tenantId, {});
  root = `/api/ext/${sample.extensionId}`;
});
afterAll(() => api.close());
beforeEach(() => {
  api.runner.seen.length = 0;
});

describe('beside a gateway', () => {
  it('a runner that was rolled back gets the call once more, with what it announces now', async () => {
    await api.request('GET', `${root}/notes/1`, { key: admin });
    api.runner.seen.length = 0;
    api.runner.announces = { limits: [], capabilities: ['log.emit'] };
    api.runner.reply = ({ request }) =>
      request.providers.length > 1 ? { refuse: 400, code: 'INPUT_INVALID' } : { body: 'served' };
    const answer = await api.request('GET', `${root}/notes/1`, { key: admin });
    expect(answer).toMatchObject({ status: 200, text: 'served' });
    expect(api.runner.seen).toHaveLength(2);
    expect(new Set(api.runner.seen.map(({ token }) => token)).size).toBe(2);
    await api.request('GET', `${root}/notes/1`, { key: admin });
    expect(api.runner.seen).toHaveLength(3);
  });

  describe('a runner that takes sealed requests', () => {
    const EPOCH = 'e'.repeat(22);
    const NEXT = 'n'.repeat(22);
    const call = () => api.request('GET', `${root}/notes/1`, { key: admin });
    const served = { status: 200, text: 'served' };
    /** A runner that takes nothing else, and has been started again in the meantime. */
    const takes = (epoch: string | undefined) => {
      api.runner.announces = { limits: [], capabilities: ['log.emit'], ...(epoch && { seal_epoch: epoch }) };
      api.runner.reply = ({ seal, authorization }) =>
        (epoch === undefined ? authorization === 'Bearer service' : seal?.split('.')[2] === epoch)
          ? { body: 'served' }
          : { refuse: 401, code: 'UNAUTHENTICATED' };
    };

    it('is met by the call that finds it, and is shown no credential', async () => {
      takes(EPOCH);
      expect(await call()).toMatchObject(served);
      expect(await call()).toMatchObject(served);
      const [older, ...sealed] = api.runner.seen;
      expect(older?.token).toMatch(/^ey/);
      expect(sealed).toHaveLength(2);
      for (const { token, authorization } of sealed) {
        expect([token.slice(0, 3), authorization]).toEqual(['m1.', undefined]);
      }
      expect(new Set(sealed.map(({ seal }) => seal)).size).toBe(2);
    });

    it('is sealed for anew when it was started again, and shown the credential when it was rolled back', async () => {
      takes(NEXT);
      expect(await call()).toMatchObject(served);
      takes(undefined);
      expect(await call()).toMatchObject(served);
      expect(api.runner.seen.map(({ seal }) => seal?.split('.')[2])).toEqual([EPOCH, NEXT, NEXT, undefined]);
    });

    it('that refuses a seal as used before is not sent the call again', async () => {
      takes(EPOCH);
      expect(await call()).toMatchObject(served);
      api.runner.seen.length = 0;
      api.runner.reply = () => ({ refuse: 401, code: 'TOKEN_INVALID' });
      expect(await call()).toMatchObject(problem(500, 'INTERNAL'));
      expect(api.runner.seen).toHaveLength(1);
    });
  });

  it('a runner that refuses again becomes 500, and is not asked a third time', async () => {
    api.runner.reply = () => ({ refuse: 400, code: 'INPUT_INVALID' });
    const answer = await api.request('GET', `${root}/notes/1`, { key: admin });
    expect(answer).toMatchObject(problem(500, 'INTERNAL'));
    expect(api.runner.seen).toHaveLength(2);
  });
});
