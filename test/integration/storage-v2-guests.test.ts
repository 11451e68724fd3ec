import { beforeAll, describe, expect, it } from '@jest/globals';
import { createEngine } from '../../runner/engine/create-engine.ts';
import type { EngineArtifact, WitValue } from '../../runner/engine/engine.ts';
import { fakeHost } from '../support/fake-host.ts';
import { BUILD_WITHIN_MS, precompiledGuest, TOOLCHAINS } from '../support/guests.ts';

const LEAST = -(2n ** 63n);
const MOST = 2n ** 63n - 1n;

// Beside `test/e2e/storing.test.ts`, where a platform answers: what it seldom does, and figures at their ends.
describe.each(TOOLCHAINS)('storage-v2 in a guest of %s', (toolchain) => {
  const engine = createEngine();
  let artifact: EngineArtifact;
  beforeAll(async () => {
    artifact = await precompiledGuest('storing', toolchain);
    await engine.load(artifact);
  }, BUILD_WITHIN_MS);

  async function outcomesOf(
    orders: readonly Record<string, unknown>[],
    call: (functionName: string, args: readonly WitValue[]) => { ok: WitValue } | { err: WitValue },
  ): Promise<unknown[]> {
    const request = {
      context: { tenantId: 't', extensionId: 'e' },
      http: { method: 'POST', url: '/orders', headers: [], body: Buffer.from(JSON.stringify(orders)) },
    };
    const host = fakeHost({ call: (_interfaceName, functionName, args) => call(functionName, args) });
    const limits = { timeoutMs: 30_000, memoryMb: 64 };
    const outcome = await engine.execute(artifact.contentHash, request, host, limits);
    if (!outcome.ok) throw new Error(`${outcome.code}: ${outcome.message}`);
    return JSON.parse(Buffer.from(outcome.response.body ?? []).toString()) as unknown[];
  }

  it.each([
    { tag: 'missing' },
    { tag: 'conflict' },
    { tag: 'denied' },
    { tag: 'limit', val: 'the quota of records' },
    { tag: 'invalid', val: 'a key must not be empty' },
    { tag: 'not-a-counter' },
    { tag: 'overflow' },
    { tag: 'busy' },
    { tag: 'internal' },
  ])('has every function throw $tag', async ({ tag, val = null }) => {
    const entry = { key: 'a', value: 'x' };
    const orders = [
      { call: 'get', key: 'a' },
      { call: 'put', entry },
      { call: 'delete', key: 'a' },
      { call: 'list-entries', prefix: '' },
      { call: 'increment', key: 'a', delta: '1' },
      { call: 'get-many', keys: ['a'] },
      { call: 'put-many', entries: [entry] },
      { call: 'delete-many', keys: ['a'] },
    ].map((order) => ({ namespace: 'notes', ...order }));
    const asked: string[] = [];
    const outcomes = await outcomesOf(orders, (functionName) => {
      asked.push(functionName);
      return { err: val === null ? { tag } : { tag, val } };
    });
    expect(outcomes).toEqual(orders.map(() => ({ err: { tag, val } })));
    expect(asked).toEqual(orders.map(({ call }) => call));
  });

  // QuickJS holds no more of them exactly, and says so: `test/integration/quickjs.test.ts`.
  const [least, most] = toolchain === 'QuickJS' ? [-(2n ** 53n) + 1n, 2n ** 53n - 1n] : [LEAST, MOST];
  it('passes whole numbers on as they are, below zero and at their ends', async () => {
    const asked: WitValue[][] = [];
    const sums = [least, -1n, 0n, most];
    const orders = sums.map((sum) => ({
      ...{ call: 'increment', namespace: 'notes', key: 'n', delta: String(sum) },
      start: { initial: String(sum) },
    }));
    const outcomes = await outcomesOf(orders, (_functionName, args) => {
      asked.push([...args]);
      return { ok: args[2] };
    });
    expect(asked.map(([, , delta, start]) => [delta, start])).toEqual(
      sums.map((sum) => [sum, { initial: sum, ttlSeconds: undefined }]),
    );
    expect(outcomes).toEqual(sums.map((sum) => ({ ok: String(sum) })));
  });
});
