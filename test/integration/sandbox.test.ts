import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { VerifiedArtifact } from '../../platform/component/artifact.ts';
import { createLogger } from '../../platform/logger.ts';
import { FRAME } from '../../runner/sandbox/frame.ts';
import { canMeasureMemory } from '../../runner/sandbox/resident-memory.ts';
import type { SandboxJob } from '../../runner/sandbox/job.ts';
import { createSandbox, type Sandbox, type SandboxOptions } from '../../runner/sandbox/sandbox.ts';
import type { Isolation } from '../../runner/sandbox/process.ts';
import { precompiledComponent } from '../support/components.ts';
import { eventually } from '../support/eventually.ts';
import { testedIsolations } from '../support/isolations.ts';
import { verifiedArtifact } from '../support/verified-artifact.ts';

const logger = createLogger({ level: 'silent', process: 'runner' });

const isolations = await testedIsolations();

const LIMITS = { timeoutMs: 100_000, memoryMb: 64 };

/** Has a memory, and exports two functions of type () -> i32: `valid` answers 200, `invalid` an f32. */
const HALF_VALID = Buffer.concat([
  Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]),
  Buffer.from([1, 5, 1, 0x60, 0, 1, 0x7f]),
  Buffer.from([3, 3, 2, 0, 0]),
  Buffer.from([5, 4, 1, 1, 1, 16]),
  Buffer.from([7, 19, 2, 5, ...Buffer.from('valid'), 0, 0, 7, ...Buffer.from('invalid'), 0, 1]),
  Buffer.from([10, 15, 2, 5, 0, 0x41, 0xc8, 1, 0x0b, 7, 0, 0x43, 0, 0, 0x80, 0x3f, 0x0b]),
]);

/** A glue alone, under a hash of this digit. */
function glued(digit: string, glue: string): Promise<VerifiedArtifact> {
  const contentHash = `sha256:${digit.repeat(64)}`;
  return verifiedArtifact({ contentHash, glue: Buffer.from(glue), coreModules: {}, imports: [] });
}

let hostile: VerifiedArtifact;
beforeAll(async () => {
  hostile = await verifiedArtifact(await precompiledComponent('hostile'));
}, 180_000);

const sandboxes: Sandbox[] = [];
afterEach(async () => {
  for (const sandbox of sandboxes) sandbox.kill('timeout');
  await Promise.all(sandboxes.splice(0).map(({ exited }) => exited));
});

async function setupIn(isolation: Isolation, options: SandboxOptions = {}) {
  const sandbox = createSandbox(logger, isolation, options);
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
    takesTurns: true,
    onCall: () => Promise.resolve({ ok: undefined }),
    onOutput: () => undefined,
    ...overrides,
  };
}

describe.each(isolations)('a sandbox (%s)', (isolation) => {
  const setup = (options: SandboxOptions = {}): Promise<Sandbox> => setupIn(isolation, options);

  it('ends an execution whose host call fails, and goes on', async () => {
    const sandbox = await setup();
    const failing = job('/chatty', { onCall: () => Promise.reject(new Error('no')) });
    expect(await sandbox.run(failing)).toMatchObject({ ok: false, code: 'INTERNAL' });
    expect(await sandbox.run(job('/ok'))).toMatchObject({ ok: true });
  });

  it('shows in the list of processes what it is for', async () => {
    const sandbox = createSandbox(logger, isolation);
    sandboxes.push(sandbox);
    await sandbox.ready;
    const shown = (): string =>
      readFileSync(`/proc/${sandbox.pid ?? 0}/cmdline`, 'utf8').replaceAll('\0', '');
    expect(shown()).toMatch(/runner\/sandbox\/child\.ts spare$/);
    sandbox.show('trial');
    await eventually(() => expect(shown()).toMatch(/runner\/sandbox\/child\.ts trial$/));
  });

  it('counts the CPU time of each execution apart, though they share a thread', async () => {
    const sandbox = await setup();
    const looped = Promise.withResolvers<undefined>();
    const onCall = async () => {
      await looped.promise;
      return { err: 'denied' };
    };
    await sandbox.run(job('/storage')); // the first one of a kind takes more
    const waiting = sandbox.run(job('/storage', { onCall }));
    // Fuel ends it, not the clock: however busy the machine is, it computes as much.
    const loop = await sandbox.run(job('/loop', { limits: { ...LIMITS, fuel: 1e8 } }));
    looped.resolve(undefined);
    const waited = await waiting;
    expect([loop, waited]).toMatchObject([{ ok: false, code: 'GUEST_OUT_OF_FUEL' }, { ok: true }]);
    expect(waited.cpuMs).toBeGreaterThan(0);
    expect(loop.cpuMs).toBeGreaterThan(4 * waited.cpuMs);
  });

  it('refuses an artifact that does not load, and goes on', async () => {
    const sandbox = await setup();
    const noArchive = {
      contentHash: `sha256:${'3'.repeat(64)}`,
      archive: Buffer.from('no archive'),
      isLinked: true,
    };
    for (const broken of [await glued('0', 'no {{ script'), noArchive]) {
      await expect(sandbox.load(broken)).rejects.toMatchObject({ code: 'ARTIFACT_INVALID' });
    }
    expect(await sandbox.run(job('/ok'))).toMatchObject({ ok: true });
  });

  it('never runs a function that is not valid, which nobody looked at when it was loaded', async () => {
    const sandbox = await setup();
    const glue = `
      export const instantiate = (getCoreModule, imports, instantiateCore) => {
        const { exports } = instantiateCore(getCoreModule('halfValid.wasm'), {});
        return {
          async handler({ http }) {
            const status = http.url === '/valid' ? exports.valid() : exports.invalid();
            return { status, headers: [] };
          },
        };
      };
    `;
    const contentHash = `sha256:${'4'.repeat(64)}`;
    const coreModules = { 'halfValid.wasm': HALF_VALID };
    expect(WebAssembly.validate(HALF_VALID)).toBe(false); // or a publish would take it
    await sandbox.load(
      await verifiedArtifact({ contentHash, glue: Buffer.from(glue), coreModules, imports: [] }),
    );
    const call = (url: string) => sandbox.run({ ...job(url), contentHash });
    expect(await call('/valid')).toMatchObject({ ok: true, response: { status: 200 } });
    for (let again = 0; again < 2; again += 1) {
      expect(await call('/invalid')).toMatchObject({ ok: false, code: 'GUEST_TRAPPED' });
    }
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
    sandbox.kill('timeout');
    await expect(heard).rejects.toMatchObject({ reason: 'timeout', unheard: false, blamed: false });
    await expect(unheard).rejects.toMatchObject({ reason: 'timeout', unheard: true, blamed: false });
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
    const asksOn = await glued(
      '2',
      `
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
    `,
    );
    await sandbox.load(asksOn);
    let answered = 0;
    const asking = job('/', {
      contentHash: asksOn.contentHash,
      onCall: () => {
        answered += 1;
        return Promise.resolve({ ok: new Uint8Array(1024 * 1024) });
      },
    });
    await expect(sandbox.run(asking)).rejects.toMatchObject({ reason: 'protocol' });
    expect(answered).toBeGreaterThan(10);
    expect(answered).toBeLessThan(40);
  });

  const whereMeasured = canMeasureMemory ? it : it.skip;
  whereMeasured(
    'is ended when its process holds too much memory, which is no fault of a small call',
    async () => {
      const sandbox = await setup({ baseBytes: 0 });
      await sandbox.measure(); // nothing runs that could be lost by it
      await expect(sandbox.run(job('/ok'))).rejects.toMatchObject({ reason: 'memory' });
      const next = await setup({ baseBytes: 1 });
      const call = next.run(job('/loop', { limits: { ...LIMITS, memoryMb: 1 } }));
      await next.measure();
      await expect(call).rejects.toMatchObject({ reason: 'memory', blamed: false });
      await next.exited;
    },
  );

  it('unloads what was called longest ago, and never what is being called', async () => {
    let unloads = 0;
    const sandbox = await setup({ maxLoadedBytes: 1, countUnload: () => (unloads += 1) });
    const never = new Promise<never>(() => undefined);
    const called = Promise.withResolvers<undefined>();
    const onCall = () => {
      called.resolve(undefined);
      return never;
    };
    sandbox.run(job('/chatty', { onCall })).catch(() => undefined); // until the sandbox ends
    await called.promise;
    const others = [1, 2, 3].map((at) => ({ ...hostile, contentHash: `sha256:${String(at).repeat(64)}` }));
    for (const other of others) {
      await sandbox.load(other);
      expect(await sandbox.run(job('/ok', { contentHash: other.contentHash }))).toMatchObject({ ok: true });
    }
    expect(others.map(({ contentHash }) => sandbox.has(contentHash))).toEqual([false, false, true]);
    expect([sandbox.has(hostile.contentHash), unloads]).toEqual([true, 2]);
    await sandbox.load(others[0] ?? hostile);
    expect(await sandbox.run(job('/ok', { contentHash: others[0]?.contentHash ?? '' }))).toMatchObject({
      ok: true,
    });
  });

  it('is ended when it does not answer, and only then', async () => {
    const sandbox = await setup();
    for (let beat = 0; beat < 10; beat += 1) {
      sandbox.beat();
      await sandbox.run(job('/ok'));
    }
    process.kill(sandbox.pid ?? 0, 'SIGSTOP');
    const call = sandbox.run(job('/ok'));
    for (let beat = 0; beat < 4; beat += 1) sandbox.beat();
    await expect(call).rejects.toMatchObject({ reason: 'unresponsive', unheard: true });
    await sandbox.exited;
  });

  it('is not asked for a sign of life while a guest in it cannot give others a turn', async () => {
    const sandbox = await setup();
    const call = sandbox.run(job('/ok', { takesTurns: false }));
    for (let beat = 0; beat < 10; beat += 1) sandbox.beat();
    expect(await call).toMatchObject({ ok: true });
  });

  it('keeps its process when a guest waits past its deadline, and serves the others meanwhile', async () => {
    const sandbox = await setup();
    const never = new Promise<never>(() => undefined);
    const limits = { ...LIMITS, timeoutMs: 300 };
    const waiting = Array.from({ length: 8 }, () =>
      sandbox.run(job('/chatty', { limits, onCall: () => never })),
    );
    expect(await sandbox.run(job('/ok'))).toMatchObject({ ok: true });
    for (const outcome of await Promise.all(waiting)) {
      expect(outcome).toMatchObject({ ok: false, code: 'GUEST_TIMEOUT' });
    }
    expect(await sandbox.run(job('/ok'))).toMatchObject({ ok: true });
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
  const deadline = Date.now() + 60_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error('still not so after a minute');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
