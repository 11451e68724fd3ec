import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import path from 'node:path';
import { readLocalFile } from '../../starter/local-file.ts';
import { eventually } from '../support/eventually.ts';
import { startPlatform, type TestPlatform } from '../support/platform.ts';

const CALLERS = 4;
const RESTART = path.resolve(import.meta.dirname, '../../starter/restart/main.ts');

/** What `npm run restart` does. */
async function restart(dataDir: string): Promise<string> {
  const options = { env: { DATA_DIR: dataDir } };
  const { stdout } = await promisify(execFile)(process.execPath, [RESTART], options);
  return stdout;
}

it('restarts nothing where nothing runs', async () => {
  await expect(restart('/nowhere')).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('nothing that has started runs in /nowhere') as unknown,
  });
});

describe.each(['1', '2'])('a platform with %s runner(s)', (runners) => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await startPlatform({ RUNNERS: runners });
  }, 900_000);
  afterAll(() => platform.close());

  /**
   * Calls without pause, each on a connection of its own: of an idle one that is closed while a request is on its way to it nobody can say whether it
   * arrived (RFC 9112, section 9.5). Answers what came of each: `served`, or how it failed.
   */
  function callers(): { enough: () => Promise<void>; stop: () => Promise<string[]> } {
    let going = true;
    const outcomes: string[] = [];
    const { user } = platform.local.keys;
    const headers = { connection: 'close' };
    const all = Array.from({ length: CALLERS }, async () => {
      while (going) {
        const answer = await platform.request('GET', '/api/ext/alga.hello/hello/you', { key: user, headers });
        outcomes.push(answer.status === 200 ? 'served' : answer.text);
      }
    });
    return {
      enough: () => {
        const until = outcomes.length + 20;
        return eventually(() => expect(outcomes.length).toBeGreaterThan(until));
      },
      async stop() {
        going = false;
        await Promise.all(all);
        return outcomes;
      },
    };
  }

  it('fails no call while all its roles are replaced, and says where they are', async () => {
    const file = path.join(platform.starter.dataDir, 'local.json');
    const before = readLocalFile(file)?.processes ?? {};
    const calls = callers();
    await calls.enough();
    expect(await restart(platform.starter.dataDir)).toMatch(/^replaced: .*gateway/);
    const roles = Object.keys(before).filter((name) => !['postgres', 'temporal'].includes(name));
    expect(roles.filter((name) => name.startsWith('runner'))).toHaveLength(Number(runners));
    const now = readLocalFile(file)?.processes ?? {};
    for (const name of roles) expect(now[name]).not.toBe(before[name]);
    expect([now['postgres'], now['temporal']]).toEqual([before['postgres'], before['temporal']]);
    await calls.enough();
    expect(new Set(await calls.stop())).toEqual(new Set(['served']));
  });

  it('fails no call when a role is told to stop by hand', async () => {
    const calls = callers();
    for (const name of ['gateway', 'runner']) {
      await calls.enough();
      const pid = platform.processes()[name] ?? -1;
      process.kill(pid, 'SIGTERM');
      await eventually(() => expect(platform.processes()[name]).not.toBe(pid));
      await calls.enough();
    }
    expect(new Set(await calls.stop())).toEqual(new Set(['served']));
  });
});
