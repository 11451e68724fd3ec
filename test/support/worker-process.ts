import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { COMPILE_CACHE } from '../../scripts/compile-cache.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');

export interface WorkerProcess {
  /** Ends at once, as a crash would. */
  kill(): Promise<void>;
  /** Drains, as on SIGTERM; answers the exit code. */
  stop(): Promise<number | null>;
  /** Its exit code, once it has ended and all it wrote was read. */
  exited: Promise<number | null>;
  /** What it logged so far. */
  output(): string;
}

/** A real worker: `workers/main.ts` in a process of its own, with this environment and no other. */
export function startWorkerProcess(env: Readonly<Record<string, string>>): WorkerProcess {
  const child = spawn(process.execPath, [path.join(ROOT, 'workers', 'main.ts')], {
    cwd: ROOT,
    env: { ...env, PATH: process.env['PATH'] ?? '', NODE_COMPILE_CACHE: COMPILE_CACHE },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return {
    async kill() {
      await end(child, 'SIGKILL');
    },
    stop: () => end(child, 'SIGTERM'),
    exited: once(child, 'close').then(([code]) => code as number | null),
    output: () => output,
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
  return child.exitCode;
}
