import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createCallShares } from '../../api/execution/call-shares.ts';
import { installSample, startApi, type TestApi } from '../support/start-api.ts';

/** As many as one install may have running. */
const CALLS = 24;

let api: TestApi;
beforeAll(async () => {
  // As in a process that is busy, on whatever machine this is.
  const callShares = createCallShares({ tenant: 32, install: 24 }, { note: () => undefined, size: 2 });
  api = await startApi('api_call_shares', () => ({}), { callShares });
});
afterAll(() => api.close());

async function caller(): Promise<() => Promise<number>> {
  const { tenantId, key } = await api.tenant();
  const { extensionId } = await installSample(api, tenantId);
  return async () => (await api.request('GET', `/api/ext/${extensionId}/notes/1`, { key })).status;
}

describe('a tenant that calls all the time', () => {
  it('is overtaken by a call of another, which comes when all of its calls have', async () => {
    const [flood, other] = [await caller(), await caller()];
    const all = (): Promise<number[]> => Promise.all(Array.from({ length: CALLS }, flood));
    await all(); // connections are open from here on
    await other();
    api.runner.seen.length = 0;
    let late: Promise<number> | undefined;
    const { reply } = api.runner;
    api.runner.reply = (seen) => {
      late ??= other();
      return reply(seen);
    };
    const answers = await all();
    expect(answers).toEqual(answers.map(() => 200));
    expect(await late).toBe(200);
    const tenants = api.runner.seen.map(({ request }) => request.context.tenant_id);
    const ownTurn = tenants.findIndex((tenant) => tenant !== tenants[0]);
    expect(ownTurn).toBeLessThan(CALLS / 2);
  });
});
