import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually } from '../../test/support/eventually.ts';
import { testedIsolations } from '../../test/support/isolations.ts';
import { NICENESS } from './priority.ts';
import { startSandboxProcess } from './process.ts';

// What a sandbox process may not do is in test/integration/escape.test.ts.

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sandbox-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Of a script that has the channel as `channel`. */
async function program(text: string): Promise<{ script: string; readable: string[] }> {
  const script = join(folder, `${Date.now()}.mjs`);
  const prelude = `import { Socket } from 'node:net'; const channel = new Socket({ fd: 3, readable: true, writable: true });`;
  await writeFile(script, prelude + text);
  return { script, readable: [script] };
}

it('is told to take one thread for V8’s background work', async () => {
  const { channel } = startSandboxProcess(
    'process',
    await program('channel.end(JSON.stringify(process.execArgv))'),
  );
  expect(JSON.parse(await text(channel))).toContain('--v8-pool-size=1');
});

it.each(await testedIsolations())(
  'comes after the processes that serve everybody (%s)',
  async (isolation) => {
    const sandbox = startSandboxProcess(
      isolation,
      await program(`channel.write('ready'); channel.resume();`),
    );
    try {
      await once(sandbox.channel, 'data');
      const { pid } = sandbox;
      if (pid === undefined) throw new Error('its pid is not known');
      expect(getPriority(pid)).toBe(getPriority() + NICENESS);
      const group = `/proc/${pid}/autogroup`;
      // One that shares its supervisor's group is told apart within it.
      if (isolation === 'process' || !existsSync(group)) return;
      await eventually(async () =>
        expect(await readFile(group, 'utf8')).toMatch(new RegExp(`nice ${NICENESS}\\n$`)),
      );
    } finally {
      sandbox.kill();
    }
  },
);

/** Opens files until it has descriptors for nothing more, then starts a sandbox. */
const WITHOUT_DESCRIPTORS = `
  import { closeSync, openSync } from 'node:fs';
  const [sandboxes, isolation] = process.argv.slice(2);
  const { createSandbox } = await import(sandboxes);
  const logger = { warn() {}, error() {} };
  const held = [];
  try {
    for (;;) held.push(openSync('/dev/null'));
  } catch {
    for (const descriptor of held.splice(0, 2)) closeSync(descriptor);
  }
  const { ready, exited } = createSandbox(logger, isolation);
  console.log(JSON.stringify([await ready, await exited]));
`;

it.each(await testedIsolations())(
  'is a sandbox that did not start, and no end of its supervisor, where no descriptors are left (%s)',
  async (isolation) => {
    const script = join(folder, 'supervisor.mjs');
    await writeFile(script, WITHOUT_DESCRIPTORS);
    const sandboxes = join(import.meta.dirname, 'sandbox.ts');
    const args = [process.execPath, script, sandboxes, isolation];
    const { stdout } = await promisify(execFile)('/bin/sh', ['-c', 'ulimit -n 64; exec "$@"', 'sh', ...args]);
    expect(JSON.parse(stdout)).toEqual([false, 'crashed']);
  },
);
