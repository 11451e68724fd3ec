import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { PrecompiledArtifact } from '../../platform/component/artifact.ts';
import { createLogger } from '../../platform/logger.ts';
import { FRAME } from '../../runner/sandbox/frame.ts';
import { canMeasureMemory } from '../../runner/sandbox/resident-memory.ts';
import { createSandbox, type Sandbox, type SandboxJob } from '../../runner/sandbox/sandbox.ts';
import type { Isolation } from '../../runner/sandbox/process.ts';
import { precompiledComponent } from '../support/components.ts';
import { testedIsolations } from '../support/isolations.ts';

const logger = createLogger({ level: 'silent', process: 'runner' });

const isolations = await testedIsolations();

const LIMITS = { timeoutMs: 30_000, memoryMb: 64 };

let hostile: PrecompiledArtifact;
beforeAll(async () => {
  hostile = await precompiledComponent('hostile');
}, 180_000);

const sandboxes: Sandbox[] = [];
afterEach(async () => {
  for (const sandbox of sandboxes) sandbox.kill('stopped');
  await Promise.all(sandboxes.splice(0).map(({ exited }) => exited));
});

async function setupIn(isolation: Isolation, baseBytes?: number) {
  const sandbox = createSandbox(logger, isolation, baseBytes);
  sandboxes.push(sandbox);
  expect(await sandbox.ready).toBe(true);
  await sandbox.load(hostile);
  return sandbox;
}

function job(url: string, overrides: Partial<SandboxJob> = {}): SandboxJob {
  return {
    contentHash: hostile.contentHash,
    request: { context: { tenantId: 't', extensionId: 'e' }, http: { method: 'GET', url, headers: [] } },
    responseBytes: 1_000_000,
    limits: LIMITS,
    constants: {},
    onCall: () => Promise.resolve({ ok: undefined }),
    onOutput: () => undefined,
    ...overrides,
  };
}

describe.each(isolations)('a sandbox (%s)', (isolation) => {
  const setup = (baseBytes?: number): Promise<Sandbox> => setupIn(isolation, baseBytes);

  it('ends an execution whose host call fails, and goes on', async () => {
    const sandbox = await setup();
    const failing = job('/chatty', { onCall: () => Promise.reject(new Error('no')) });
    expect(await sandbox.run(failing)).toMatchObject({ ok: false, code: 'INTERNAL' });
    expect(await sandbox.run(job('/ok'))).toMatchObject({ ok: true });
  });

  it('refuses an artifact that does not load, and goes on', async () => {
    const sandbox = await setup();
    const { coreModules, imports } = hostile;
    const glue = Buffer.from('no {{ script');
    const broken = { coreModules, imports, contentHash: `sha256:${'0'.repeat(64)}`, glue };
    await expect(sandbox.load(broken)).rejects.toMatchObject({ code: 'ARTIFACT_INVALID' });
    expect(await sandbox.run(job('/ok'))).toMatchObject({ ok: true });
  });

  it('goes on when its process group is told to stop, for its supervisor drains', async () => {
    const sandbox = await setup();
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.kill(sandbox.pid ?? 0, signal);
    // By the time it has loaded another component it has taken the signals.
    const other = { ...hostile, contentHash: `sha256:${'1'.repeat(64)}` };
    await sandbox.load(other);
    expect(await sandbox.run(job('/ok'))).toMatchObject({ ok: true });
  });

  it('loses everything in it when it is killed, and says what may run again', async () => {
    const sandbox = await setup();
    const called = Promise.withResolvers<undefined>();
    const never = new Promise<never>(() => undefined);
    const heard = sandbox.run(
      job('/chatty', {
        onCall: () => {
          called.resolve(undefined);
          return never;
        },
      }),
    );
    heard.catch(() => undefined); // asserted below
    await called.promise;
    const unheard = sandbox.run(job('/loop'));
    sandbox.kill('stopped');
    await expect(heard).rejects.toMatchObject({ reason: 'stopped', unheard: false, alone: false });
    await expect(unheard).rejects.toMatchObject({ reason: 'stopped', unheard: true, alone: false });
    await expect(sandbox.run(job('/ok'))).rejects.toMatchObject({ unheard: true });
  });

  it('takes requests of more values than it may say itself', async () => {
    const sandbox = await setup();
    const { request, ...rest } = job('/ok');
    const headers = Array.from({ length: 5_000 }, (_, at) => ({ name: `x-${at}`, value: '' }));
    const outcome = await sandbox.run({
      ...rest,
      request: { ...request, http: { ...request.http, headers } },
    });
    expect(outcome).toMatchObject({ ok: true });
  });

  it('gets no more answers than it reads', async () => {
    const sandbox = await setup();
    // Asks on and on, and never comes to read.
    const glue = Buffer.from(`
      import { writeSync } from 'node:fs';
      const pause = new Int32Array(new SharedArrayBuffer(4));
      export const instantiate = () => ({
        handler() {
          for (let call = 1; call <= 400; call += 1) {
            const head = JSON.stringify({ call, interfaceName: 'storage', functionName: 'get', args: [] });
            const start = Buffer.alloc(13);
            start.writeUInt32BE(9 + head.length, 0);
            start.writeUInt8(${FRAME.call}, 4);
            start.writeUInt32BE(3, 5); // this execution, after two loads
            start.writeUInt32BE(head.length, 9);
            writeSync(3, Buffer.concat([start, Buffer.from(head)]));
            Atomics.wait(pause, 0, 0, 5);
          }
        },
      });
    `);
    const contentHash = `sha256:${'2'.repeat(64)}`;
    await sandbox.load({ contentHash, glue, coreModules: {}, imports: [] });
    let answered = 0;
    const asking = job('/', {
      contentHash,
      onCall: () => {
        answered += 1;
        return Promise.resolve({ ok: new Uint8Array(1024 * 1024) });
      },
    });
    await expect(sandbox.run(asking)).rejects.toMatchObject({ reason: 'ended' });
    expect(answered).toBeGreaterThan(10);
    expect(answered).toBeLessThan(40);
  });

  (canMeasureMemory ? it : it.skip)('is killed when its process holds too much memory', async () => {
    const sandbox = await setup(0);
    await expect(sandbox.run(job('/loop', { limits: { ...LIMITS, memoryMb: 1 } }))).rejects.toMatchObject({
      reason: 'memory',
    });
    await sandbox.exited;
  });

  (existsSync('/proc') ? it : it.skip)('dies with its supervisor', async () => {
    const script = `
      import { createLogger } from ${JSON.stringify(join(import.meta.dirname, '../../platform/logger.ts'))};
      import { createSandbox } from ${JSON.stringify(join(import.meta.dirname, '../../runner/sandbox/sandbox.ts'))};
      const sandbox = createSandbox(createLogger({ level: 'silent', process: 'runner' }), '${isolation}');
      await sandbox.ready;
      console.log(sandbox.pid);
    `;
    const supervisor = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [printed] = (await once(supervisor.stdout, 'data')) as [Buffer];
    const pid = Number(printed.toString());
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    supervisor.kill('SIGKILL');
    await once(supervisor, 'exit');
    await until(() => !existsSync(`/proc/${pid}`));
  });
});

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error('still not so after 10 s');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
