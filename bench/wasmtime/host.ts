import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Environment } from '../../platform/config/environment.ts';
import { findProgram, isOnPath, obtainProgram, type Program } from '../../starter/services/find-program.ts';
import { runCommand } from '../../starter/services/run-command.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const NAME = 'bench-wasmtime';
const COMPILE_WITHIN_MS = 40 * 60_000;

/** Our host of Wasmtime, compiled once if need be. Undefined, with the reason said, where it cannot be. */
export async function findWasmtimeHost(environment: Environment): Promise<string | undefined> {
  const program: Program = {
    name: NAME,
    title: 'the host of Wasmtime',
    variable: 'BENCH_WASMTIME',
    cachedIn: `wasmtime-bench-${hashOfSources()}`,
  };
  const options = {
    environment,
    log: console.error,
    during: <T>(_: string, work: () => Promise<T>): Promise<T> => work(),
  };
  const found = await findProgram(program, options);
  if (found !== undefined) return found;
  if (!isOnPath('cargo', environment)) {
    console.error('Wasmtime is not measured: its host is compiled with cargo, which is not on PATH');
    return undefined;
  }
  const compile = {
    what: 'compiling the host of Wasmtime with cargo (once; five minutes on two cores)',
    into: async (folder: string, { env }: { env: Record<string, string> }): Promise<void> => {
      const target = path.join(folder, 'target');
      await runCommand('cargo', ['build', '--release', '--locked'], {
        env: { ...env, CARGO_TARGET_DIR: target },
        cwd: import.meta.dirname,
        withinMs: COMPILE_WITHIN_MS,
      });
      renameSync(path.join(target, 'release', NAME), path.join(folder, NAME));
    },
  };
  try {
    return await obtainProgram(program, [compile], options);
  } catch (cause) {
    // An older compiler or no network; the other rows can be measured all the same.
    console.error('Wasmtime is not measured:', cause instanceof Error ? cause.message : cause);
    return undefined;
  }
}

function hashOfSources(): string {
  const hash = createHash('sha256');
  const files = ['Cargo.lock', 'Cargo.toml', 'src/main.rs'].map((file) => `bench/wasmtime/${file}`);
  const used = ['logging', 'random', 'storage', 'types'].map((name) => `wit/${name}.wit`);
  for (const file of [...files, ...used]) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(path.join(ROOT, file)))
      .update('\0');
  }
  return hash.digest('hex').slice(0, 16);
}

/** The live instance, or a new one for each call. */
export type InstanceKind = 'new' | 'live';

export interface WasmtimeHost {
  answer(instance: InstanceKind, url: string): Promise<{ status: number; body: string }>;
  /** Microseconds per call. */
  time(instance: InstanceKind, url: string, calls: number): Promise<number>;
  stop(): Promise<void>;
}

/** One component in a process of its own, compiled when it answers first. `body` is what every request brings. */
export function startWasmtimeHost(program: string, componentFile: string, body: string): WasmtimeHost {
  const child = spawn(program, [componentFile, body], { stdio: ['pipe', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  child.stdin.on('error', () => undefined); // it has ended: `ask` finds no line
  const ask = async (...words: (string | number)[]): Promise<string> => {
    child.stdin.write(`${words.join(' ')}\n`);
    const line = await lines.next();
    if (line.done) throw new Error('the host of Wasmtime ended without an answer');
    return line.value;
  };
  return {
    async answer(instance, url) {
      const line = await ask('answer', instance, url);
      const space = line.indexOf(' ');
      return { status: Number(line.slice(0, space)), body: line.slice(space + 1) };
    },
    time: async (instance, url, calls) => Number(await ask('time', instance, url, calls)),
    async stop() {
      child.stdin.end();
      await closed;
    },
  };
}
