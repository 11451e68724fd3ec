import { accessSync, constants, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Environment } from '../../platform/config/environment.ts';
import { runCommand } from './run-command.ts';

export const TEMPORAL_CLI_VERSION = '1.5.1';
/** Oldest server that does what the platform relies on (update-with-start without a switch). */
const OLDEST_SERVER: readonly [number, number] = [1, 28];
const DOWNLOAD_WITHIN_MS = 60_000;
const COMPILE_WITHIN_MS = 20 * 60_000;
const PROGRESS_EVERY_MS = 30_000;

export interface TemporalCliOptions {
  /** TEMPORAL_CLI, PATH, XDG_CACHE_HOME and HOME are read; downloads and Go get all of it (proxies, certificates). */
  environment: Environment;
  log: (line: string) => void;
  /** Ways to obtain the binary into a folder when it is nowhere on this machine; tests give their own. */
  obtain?: readonly Obtain[];
  /** Aborted: downloads and compilers are stopped. */
  signal?: AbortSignal;
}

export interface Obtain {
  /** "downloading with …" */
  what: string;
  /** Leaves a `temporal` in the folder, or throws. */
  into: (folder: string, options: { env: Record<string, string>; signal?: AbortSignal }) => Promise<void>;
}

/** Finds the Temporal CLI, or obtains it once. Throws, with the ways out, when there is none to be had. */
export async function findTemporalCli(options: TemporalCliOptions): Promise<string> {
  const { environment, log } = options;
  const explicit = environment['TEMPORAL_CLI'];
  if (explicit !== undefined && explicit !== '') {
    const fault = await faultOf(explicit);
    if (fault !== undefined) throw new Error(`TEMPORAL_CLI=${explicit}: ${fault}`);
    return explicit;
  }
  for (const file of [...onPath(environment), cachedCli(environment)]) {
    if (!isExecutable(file)) continue;
    const fault = await faultOf(file);
    if (fault === undefined) return file;
    log(`passing over ${file}: ${fault}`);
  }
  return obtainCli(options);
}

/** Where an obtained binary is kept. */
export function cachedCli(environment: Environment): string {
  const home = environment['HOME'] ?? os.homedir();
  const cache = environment['XDG_CACHE_HOME'] ?? path.join(home, '.cache');
  return path.join(cache, 'alga-platform', `temporal-cli-${TEMPORAL_CLI_VERSION}`, 'temporal');
}

function onPath(environment: Environment): string[] {
  const folders = (environment['PATH'] ?? '').split(path.delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => path.join(folder, 'temporal'));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false; // not there, or not for us
  }
}

async function faultOf(file: string): Promise<string | undefined> {
  let output: string;
  try {
    output = await runCommand(file, ['--version'], { env: {}, withinMs: 20_000 });
  } catch (cause) {
    return `it does not run (${cause instanceof Error ? cause.message : String(cause)})`;
  }
  const [, major, minor] = /Server (\d+)\.(\d+)/.exec(output) ?? [];
  if (major === undefined || minor === undefined) return 'it does not say which server it holds';
  const [oldestMajor, oldestMinor] = OLDEST_SERVER;
  const recent =
    Number(major) > oldestMajor || (Number(major) === oldestMajor && Number(minor) >= oldestMinor);
  return recent
    ? undefined
    : `its server is ${major}.${minor}; ${OLDEST_SERVER.join('.')} or newer is needed`;
}

async function obtainCli({ environment, log, obtain = WAYS, signal }: TemporalCliOptions): Promise<string> {
  const target = cachedCli(environment);
  const parent = path.dirname(path.dirname(target));
  mkdirSync(parent, { recursive: true });
  const env = Object.fromEntries(
    Object.entries(environment).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
  const faults: string[] = [];
  for (const { what, into } of obtain) {
    const startedAt = performance.now();
    const seconds = (): string => `${Math.round((performance.now() - startedAt) / 1000)} s`;
    // Its own folder, then renamed: several starts may do this at once.
    const folder = mkdtempSync(path.join(parent, '.obtaining-'));
    const progress = setInterval(() => log(`still ${what} (${seconds()})`), PROGRESS_EVERY_MS);
    try {
      log(what);
      await into(folder, { env, ...(signal && { signal }) });
      const file = path.join(folder, 'temporal');
      const fault = await faultOf(file);
      if (fault !== undefined) throw new Error(fault);
      mkdirSync(path.dirname(target), { recursive: true });
      renameSync(file, target);
      log(`the Temporal CLI is ready after ${seconds()}; it is kept in ${target}`);
      return target;
    } catch (cause) {
      signal?.throwIfAborted();
      const reason = cause instanceof Error ? cause.message : String(cause);
      faults.push(`  ${what}: ${reason}`);
      log(`that did not work (${seconds()}): ${reason.split('\n', 1)[0] ?? ''}`);
    } finally {
      clearInterval(progress);
      rmSync(folder, { recursive: true, force: true });
    }
  }
  throw new Error(
    [
      'There is no Temporal CLI on this machine and it could not be obtained:',
      ...faults,
      'Any one of these helps:',
      '  - set TEMPORAL_ADDRESS to a Temporal server that runs already;',
      '  - install the Temporal CLI so that `temporal` is on PATH, or set TEMPORAL_CLI to it;',
      '  - install Go 1.25 or newer and start again: the CLI is then compiled once.',
    ].join('\n'),
  );
}

const WAYS: readonly Obtain[] = [
  {
    what: `downloading the Temporal CLI with the Temporal SDK (at most ${DOWNLOAD_WITHIN_MS / 1000} s)`,
    async into(folder, { env, signal }) {
      // A process of its own, because the SDK's download cannot be cancelled.
      const script = path.join(import.meta.dirname, 'download-temporal-cli.ts');
      await runCommand(process.execPath, [script, folder, `v${TEMPORAL_CLI_VERSION}`], {
        env,
        withinMs: DOWNLOAD_WITHIN_MS,
        ...(signal && { signal }),
      });
      const downloaded = readdirSync(folder).find((name) => name.startsWith('temporal'));
      if (downloaded === undefined) throw new Error('the download left no file');
      renameSync(path.join(folder, downloaded), path.join(folder, 'temporal'));
    },
  },
  {
    what: 'compiling the Temporal CLI with Go (once; 3 to 5 minutes)',
    async into(folder, { env, signal }) {
      const module = `github.com/temporalio/cli/cmd/temporal@v${TEMPORAL_CLI_VERSION}`;
      await runCommand('go', ['install', module], {
        env: { ...env, CGO_ENABLED: '0', GOBIN: folder },
        withinMs: COMPILE_WITHIN_MS,
        cwd: folder, // away from any go.mod
        ...(signal && { signal }),
      });
    },
  },
];
