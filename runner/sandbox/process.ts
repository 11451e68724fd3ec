import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** All that a sandbox may read: its own code. Guests' code arrives over the channel. */
const READABLE = ['package.json', 'core/', 'runner/engine/', 'runner/sandbox/'];

/** Heap of the sandbox's own JavaScript, MiB; guests' memories lie outside it. */
const HEAP_MB = 512;

/** Node's flags for a process that may do nothing but compute: no files but `readable`, no network, children, workers or addons. */
function sandboxFlags(readable: readonly string[]): string[] {
  return [
    '--permission',
    ...readable.map((path) => `--allow-fs-read=${path}`),
    '--frozen-intrinsics',
    '--disallow-code-generation-from-strings',
    `--max-old-space-size=${HEAP_MB}`,
    // An instance leaves garbage behind each call: fewer and whole collections cost less than markers that compete for the cores.
    '--no-incremental-marking',
    '--heap-growing-percent=300',
    '--disable-warning=ExperimentalWarning',
  ];
}

let launcher: readonly string[] | undefined;

/**
 * Command before ours that has the system kill a sandbox with its supervisor; empty where there is none. A sandbox ends by itself when
 * its channel closes, but not while a guest in it loops.
 */
export function deathLauncher(): readonly string[] {
  if (launcher === undefined) {
    const command = ['setpriv', '--pdeathsig', 'KILL'];
    // Other systems have no such command, and BusyBox has one without the option: only a try tells.
    const tried = spawnSync('setpriv', [...command.slice(1), process.execPath, '--version'], {
      env: {},
      stdio: 'ignore',
    });
    launcher = tried.status === 0 ? command : [];
  }
  return launcher;
}

/** What a child started with a channel at descriptor 3 looks like. */
export interface SandboxProcess {
  child: ChildProcess;
  channel: Duplex;
}

/** Starts a script with the sandbox's flags, an empty environment and one socket to us as descriptor 3. */
export function startSandboxProcess(
  script = `${root}runner/sandbox/child.ts`,
  readable: readonly string[] = READABLE.map((path) => root + path),
): SandboxProcess {
  const command = [...deathLauncher(), process.execPath, ...sandboxFlags(readable), script];
  const child = spawn(command[0] ?? process.execPath, command.slice(1), {
    cwd: '/',
    env: {},
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  return { child, channel: child.stdio[3] as Duplex };
}
