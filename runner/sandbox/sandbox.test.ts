import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createLogger } from '../../platform/logger.ts';
import { eventually } from '../../test/support/eventually.ts';
import type { SandboxJob } from './job.ts';
import { encodeFrame, FRAME, type Frame } from './frame.ts';
import { createSandbox, type Sandbox } from './sandbox.ts';

const MIB = 1024 * 1024;

let folder: string;
let sandbox: Sandbox | undefined;
const lines: string[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'alga-sandbox-'));
});
afterAll(async () => {
  sandbox?.kill('crashed');
  await rm(folder, { recursive: true });
});

const inBase64 = (frames: readonly Frame[]): string =>
  Buffer.concat(frames.flatMap((frame) => encodeFrame(frame))).toString('base64');

/** A process that reads no more than the first bytes that come, and says these frames then; others at SIGHUP. It reads on at SIGUSR2. */
async function sandboxThatSays(frames: readonly Frame[], later: readonly Frame[] = []): Promise<Sandbox> {
  const script = join(folder, 'silent.mjs');
  // In one write, or those that come later would wait for the answers to the first.
  const said = inBase64(frames);
  await writeFile(
    script,
    `import { Socket } from 'node:net';
    const channel = new Socket({ fd: 3, readable: true, writable: true });
    const say = (text) => channel.write(Buffer.from(text, 'base64'));
    channel.once('data', () => {
      channel.pause();
      say('${said}');
    });
    process.on('SIGHUP', () => say('${inBase64(later)}'));
    process.on('SIGUSR2', () => channel.resume());
    channel.on('error', () => process.exit());
    say('${inBase64([{ type: FRAME.ready, id: 0, head: {} }])}');
    setInterval(() => undefined, 1_000);`,
  );
  const logger = createLogger(
    { process: 'runner', level: 'info' },
    { write: (line: string) => void lines.push(line) },
  );
  sandbox = createSandbox(logger, 'process', { program: { script, readable: [script] } });
  expect(await sandbox.ready).toBe(true);
  return sandbox;
}

const jobThat = (onCall: SandboxJob['onCall']): SandboxJob => ({
  contentHash: 'sha256:0',
  request: {
    context: { tenantId: 't', extensionId: 'e' },
    http: { method: 'GET', url: '/', headers: [] },
  },
  responseBytes: MIB,
  limits: { timeoutMs: 60_000, memoryMb: 64 },
  constants: {},
  takesTurns: true,
  onCall,
  onOutput: () => undefined,
});

const call = (id: number, ...args: string[]): Frame => ({
  type: FRAME.call,
  id: 1,
  head: { call: id, interfaceName: 'http', functionName: 'fetch', args },
});

const output = (text: string): Frame => ({
  type: FRAME.output,
  id: 1,
  head: { stream: 'stdout', bytes: Buffer.from(text) },
});

describe('a sandbox that does not read its answers', () => {
  it('is kept so many bytes of them, and asked for more once it has', async () => {
    const first = Array.from({ length: 16 }, (_none, n) => call(n));
    const others = [...[16, 17, 18].map((n) => call(n)), output('said'), output('what it had to')];
    const silent = await sandboxThatSays(first, others);
    let asked = 0;
    const outputs: string[] = [];
    const bytes = Buffer.alloc(8 * MIB);
    const job = jobThat(async () => {
      asked += 1;
      await new Promise(setImmediate);
      return { ok: bytes };
    });
    const ended = silent.run({ ...job, onOutput: (_stream, said) => void outputs.push(said.toString()) });
    await eventually(() => expect(lines.join()).toContain('the sandbox does not read its answers'));
    expect(asked).toBe(16);
    expect(lines.filter((line) => line.includes('host call failed'))).toHaveLength(1);
    process.kill(silent.pid ?? Number.NaN, 'SIGHUP');
    await eventually(() => expect(outputs).toHaveLength(2));
    expect(asked).toBe(16);
    process.kill(silent.pid ?? Number.NaN, 'SIGUSR2');
    await eventually(() => expect(asked).toBe(19));
    expect(silent.alive).toBe(true);
    silent.kill('crashed');
    await expect(ended).rejects.toMatchObject({ reason: 'crashed' });
  });
});

it('ends a sandbox with more bytes in its open calls than one may have', async () => {
  const large = 'x'.repeat(900_000);
  const greedy = await sandboxThatSays([1, 2, 3].map((id) => call(id, large)));
  const ended = greedy.run(jobThat(() => new Promise(() => undefined)));
  await expect(ended).rejects.toMatchObject({ reason: 'protocol' });
});
