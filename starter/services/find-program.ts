import { accessSync, constants, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Environment } from '../../platform/config/environment.ts';
import type { Output } from '../output.ts';
import { isSecret } from '../credentials.ts';
import { runCommand } from './run-command.ts';

const VERSION_WITHIN_MS = 20_000;

/** A program that is not of ours and comes as a binary. */
export interface Program {
  /** Its file, and what it is called on PATH. */
  name: string;
  /** For people: "the Temporal CLI". */
  title: string;
  /** The variable by which a person names one. */
  variable: string;
  /** Folder of our cache; has the version in it. */
  cachedIn: string;
  /** Given what `--version` prints: why this one will not do. */
  unfit?: (output: string) => string | undefined;
}

export interface ProgramOptions {
  /** The program's variable, PATH, XDG_CACHE_HOME and HOME are read; downloads and compilers get all of it but our secrets (proxies, certificates). */
  environment: Environment;
  log: (line: string) => void;
  during: Output['during'];
  /** Aborted: downloads and compilers are stopped. */
  signal?: AbortSignal;
}

/** One way to get a program that is nowhere on this machine. */
export interface Obtain {
  /** "downloading with …" */
  what: string;
  /** Leaves the program in the folder, under its name, or throws. */
  into: (folder: string, options: { env: Record<string, string>; signal?: AbortSignal }) => Promise<void>;
}

/** The program its variable names, or else the first fit one on PATH or in our cache. Throws if the named one is unfit. */
export async function findProgram(
  program: Program,
  { environment, log }: Pick<ProgramOptions, 'environment' | 'log'>,
): Promise<string | undefined> {
  const named = environment[program.variable];
  if (named !== undefined && named !== '') {
    const fault = await faultOf(program, named);
    if (fault !== undefined) throw new Error(`${program.variable}=${named}: ${fault}`);
    return named;
  }
  for (const file of [...onPath(program.name, environment), cachedProgram(program, environment)]) {
    if (!isExecutable(file)) continue;
    const fault = await faultOf(program, file);
    if (fault === undefined) return file;
    log(`passing over ${file}: ${fault}`);
  }
  return undefined;
}

/** Puts the program into our cache, by the first way that works. Throws with what kept each from working, one a line. */
export async function obtainProgram(
  program: Program,
  ways: readonly Obtain[],
  { environment, log, during, signal }: ProgramOptions,
): Promise<string> {
  const target = cachedProgram(program, environment);
  const parent = path.dirname(path.dirname(target));
  mkdirSync(parent, { recursive: true });
  const env = Object.fromEntries(
    Object.entries(environment).filter(
      (pair): pair is [string, string] => pair[1] !== undefined && !isSecret(pair[0]),
    ),
  );
  const faults: string[] = [];
  for (const { what, into } of ways) {
    const startedAt = performance.now();
    const seconds = (): string => `${Math.round((performance.now() - startedAt) / 1000)} s`;
    // Its own folder, then renamed: several starts may do this at once.
    const folder = mkdtempSync(path.join(parent, '.obtaining-'));
    try {
      log(what);
      await during(what, () => into(folder, { env, ...(signal && { signal }) }));
      const file = path.join(folder, program.name);
      const fault = await faultOf(program, file);
      if (fault !== undefined) throw new Error(fault);
      mkdirSync(path.dirname(target), { recursive: true });
      renameSync(file, target);
      log(`${program.title} is ready after ${seconds()}; it is kept in ${target}`);
      return target;
    } catch (cause) {
      signal?.throwIfAborted();
      const reason = cause instanceof Error ? cause.message : String(cause);
      faults.push(`  ${what}: ${reason}`);
      // A compiler says what failed last.
      const last = reason.split('\n').findLast((line) => line.trim() !== '') ?? '';
      log(`that did not work (${seconds()}): ${last}`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  throw new Error(
    [`${program.title} is not on this machine and could not be obtained:`, ...faults].join('\n'),
  );
}

/** Where an obtained program is kept. */
export function cachedProgram({ name, cachedIn }: Program, environment: Environment): string {
  const home = environment['HOME'] ?? os.homedir();
  const cache = environment['XDG_CACHE_HOME'] ?? path.join(home, '.cache');
  return path.join(cache, 'alga-platform', cachedIn, name);
}

/** Compiles a Go module's program into a folder. */
export async function compileWithGo(
  module: string,
  folder: string,
  { env, withinMs, signal }: { env: Record<string, string>; withinMs: number; signal?: AbortSignal },
): Promise<void> {
  await runCommand('go', ['install', module], {
    env: { ...env, CGO_ENABLED: '0', GOBIN: folder },
    withinMs,
    cwd: folder, // away from any go.mod
    ...(signal && { signal }),
  });
}

/** Files of that name on PATH, whether they are there or not. */
function onPath(name: string, environment: Environment): string[] {
  const folders = (environment['PATH'] ?? '').split(path.delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => path.join(folder, name));
}

export function isOnPath(name: string, environment: Environment): boolean {
  return onPath(name, environment).some(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false; // not there, or not for us
  }
}

async function faultOf({ unfit }: Program, file: string): Promise<string | undefined> {
  let output: string;
  try {
    output = await runCommand(file, ['--version'], { env: {}, withinMs: VERSION_WITHIN_MS });
  } catch (cause) {
    return `it does not run (${cause instanceof Error ? cause.message : String(cause)})`;
  }
  return unfit?.(output);
}
