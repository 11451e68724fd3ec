import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { processUsage } from '../../runner/sandbox/resident-memory.ts';
import { descendantsOf, type ProcessEntry } from '../storm/process-table.ts';
import { eventually } from '../support/eventually.ts';
import { bundleOf, publishAndInstall } from '../support/extensions.ts';
import { startPlatform, type Answer, type TestPlatform } from '../support/platform.ts';

/** A loop that has used so much of a core is what this process runs. */
const BUSY_MS = 500;
/** A loop that has as long as any call may have, so that it is killed, and does not come to its deadline before. */
const API = {
  endpoints: ['/ok', '/health', '/loop'].map((path) => ({
    method: 'GET',
    path,
    handler: path.slice(1),
    permission: 'extension:read',
    timeoutMs: 60_000,
  })),
};

describe('a platform with SANDBOX_SCOPE=install', () => {
  let platform: TestPlatform;

  beforeAll(async () => {
    platform = await startPlatform({ SANDBOX_SCOPE: 'install' });
    await publishAndInstall(platform, await bundleOf('hostile', { api: API }), { extension: 'alga.hostile' });
  }, 900_000);
  afterAll(() => platform.close());

  const call = (route: string): Promise<Answer> =>
    platform.request('GET', `/api/ext/${route}`, { key: platform.local.keys.user });
  const sandboxes = (): ProcessEntry[] =>
    descendantsOf(platform.processes()['runner'] ?? Number.NaN).filter(({ command }) =>
      command.includes('runner/sandbox/child.mjs'),
    );
  const cpuMs = async ({ pid }: ProcessEntry): Promise<number> => (await processUsage(pid))?.cpuMs ?? 0;

  it('runs each install of a tenant in a process of its own: the end of one is not felt by another', async () => {
    expect((await call('alga.hello/hello/before')).status).toBe(200);
    expect((await call('alga.hostile/ok')).status).toBe(200);
    const before = await Promise.all(
      sandboxes().map(async (sandbox) => ({ sandbox, cpuMs: await cpuMs(sandbox) })),
    );
    const looping = call('alga.hostile/loop');
    const [busy] = await eventually(async () => {
      const grown = await Promise.all(
        before.map(async (then) => ({ ...then, more: (await cpuMs(then.sandbox)) - then.cpuMs })),
      );
      const busy = grown.filter(({ more }) => more > BUSY_MS);
      expect(busy).toHaveLength(1);
      return busy;
    });

    const hello = Array.from({ length: 20 }, () => call('alga.hello/hello/beside'));
    process.kill(busy?.sandbox.pid ?? Number.NaN, 'SIGKILL');
    for (const { status } of await Promise.all(hello)) expect(status).toBe(200);
    expect(await looping).toMatchObject({ status: 502, json: { code: 'GUEST_FAILED' } });
    expect((await call('alga.hello/hello/after')).status).toBe(200);
    expect((await call('alga.hostile/ok')).status).toBe(200);
  }, 120_000);
});
