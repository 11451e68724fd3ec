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

  it('a runner that refuses again becomes 500, and is not asked a third time', async () => {
    api.runner.reply = () => ({ refuse: 400, code: 'INPUT_INVALID' });
    const answer = await api.request('GET', `${root}/notes/1`, { key: admin });
    expect(answer).toMatchObject(problem(500, 'INTERNAL'));
    expect(api.runner.seen).toHaveLength(2);
  });
});
