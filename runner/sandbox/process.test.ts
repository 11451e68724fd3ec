import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { testedIsolations } from '../../test/support/isolations.ts';
import { startSandboxProcess, type Isolation } from './process.ts';

const isolations = await testedIsolations();

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Runs a script with a sandbox's flags; answers the JSON it writes to its channel. */
async function runIn(
  isolation: Isolation,
  script: string,
  setEnvironment: Record<string, string> = {},
): Promise<unknown> {
  const folder = await mkdtemp(join(tmpdir(), 'sandbox-'));
  cleanups.push(() => rm(folder, { recursive: true }));
  const file = join(folder, 'probe.mjs');
  const prelude = `
    import { Socket } from 'node:net';
    const channel = new Socket({ fd: 3, readable: true, writable: true });
    const answer = (value) => channel.end(JSON.stringify(value));
    const attempt = async (act) => { try { await act(); return 'worked'; } catch (err) { return err.code ?? err.name; } };
  `;
  await writeFile(file, prelude + script);
  const before = Object.fromEntries(Object.keys(setEnvironment).map((name) => [name, process.env[name]]));
  Object.assign(process.env, setEnvironment);
  const started = startSandboxProcess(isolation, { script: file, readable: [file] });
  Object.assign(process.env, before);
  const { child, channel } = started;
  cleanups.push(() => started.kill());
  let text = '';
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  channel.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await once(child, 'exit');
  if (text === '') throw new Error(errors);
  return JSON.parse(text);
}

describe.each(isolations)('a sandbox process (%s)', (isolation) => {
  const inSandbox = (script: string, setEnvironment?: Record<string, string>): Promise<unknown> =>
    runIn(isolation, script, setEnvironment);

  it('has an empty environment', async () => {
    const environment = await inSandbox(`answer({ ...process.env });`, { RUNNER_SERVICE_TOKEN: 'secret' });
    // bubblewrap says where it has gone to.
    expect(environment).toEqual(isolation === 'bubblewrap' ? { PWD: '/' } : {});
  });

  it('is told to take no more threads for V8’s background work than the machine has cores', async () => {
    expect(await inSandbox('answer(process.execArgv);')).toContain('--v8-pool-size=0');
  });

  it('can neither read nor write files', async () => {
    const script = `
      const fs = await import('node:fs/promises');
      answer([
        await attempt(() => fs.readFile('/etc/hostname')),
        await attempt(() => fs.readFile('/proc/self/environ')),
        await attempt(() => fs.readdir('/')),
        await attempt(() => fs.writeFile('/tmp/escaped', 'x')),
        await attempt(() => fs.writeFile(import.meta.filename, 'x')),
      ]);`;
    expect(await inSandbox(script)).toEqual(Array(5).fill('ERR_ACCESS_DENIED'));
  });

  it('can open no socket of any kind, though one listens', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    const script = `
      const net = await import('node:net');
      const dgram = await import('node:dgram');
      const dns = await import('node:dns/promises');
      const connect = (options) => attempt(() => new Promise((resolve, reject) => {
        net.connect(options).on('connect', resolve).on('error', reject);
      }));
      answer([
        await connect({ port: ${port}, host: '127.0.0.1' }),
        await connect({ path: '/var/run/none.sock' }),
        await attempt(() => fetch('http://127.0.0.1:${port}')) === 'worked' ? 'worked' : 'refused',
        await attempt(() => dns.lookup('localhost')),
        await attempt(() => new Promise((resolve, reject) => {
          process.once('uncaughtException', reject); // thrown after the call has returned
          dgram.createSocket('udp4').on('error', reject).bind(0, resolve);
        })),
        await attempt(() => new Promise((resolve, reject) => {
          process.once('uncaughtException', reject);
          net.createServer().on('error', reject).listen(0, '127.0.0.1', resolve);
        })),
      ]);`;
    const denied = 'ERR_ACCESS_DENIED';
    expect(await inSandbox(script)).toEqual([denied, denied, 'refused', denied, denied, denied]);
  });

  it('can start no child, worker or inspector, load no addon and run no code from strings', async () => {
    const script = `
      const { spawnSync } = await import('node:child_process');
      const { Worker } = await import('node:worker_threads');
      const inspector = await import('node:inspector');
      answer([
        await attempt(() => spawnSync('true')),
        await attempt(() => new Worker('1', { eval: true })),
        await attempt(() => process.dlopen({ exports: {} }, '/none.node')),
        await attempt(() => inspector.open(0)) === 'worked' ? 'worked' : 'refused',
        await attempt(() => (0, eval)('1')),
      ]);`;
    const answers = await inSandbox(script);
    expect(answers).toEqual([
      'ERR_ACCESS_DENIED',
      'ERR_ACCESS_DENIED',
      expect.stringMatching(/^ERR_(ACCESS_DENIED|DLOPEN_DISABLED)$/),
      'refused',
      'EvalError',
    ]);
  });

  it('cannot change what JavaScript is made of', async () => {
    const script = `
      answer([
        await attempt(() => { Array.prototype.push = () => 0; }),
        await attempt(() => { Object.prototype.polluted = true; }),
        await attempt(() => { Promise.prototype.then = () => 0; }),
      ]);`;
    expect(await inSandbox(script)).toEqual(['TypeError', 'TypeError', 'TypeError']);
  });
});
