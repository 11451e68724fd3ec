import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { PassThrough, type Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { lowerGroup, NICENESS } from './priority.ts';
import { bubblewrap, INFO_FD, nodeFiles, sandboxPid, SECCOMP_FD } from './bubblewrap.ts';
import { seccompFilter, type Machine } from './seccomp.ts';

export const PROGRAM_ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CHANNEL_FD = 3;
/** What a sandbox runs, below the root. */
export const PROGRAM_SCRIPT = 'runner/sandbox/child.ts';

/** What stands around each sandbox process beside Node's permission model. */
export type Isolation = 'bubblewrap' | 'process';

/** A script and all that it may read. */
export interface SandboxProgram {
  script: string;
  readable: readonly string[];
  /** Of Node's own heap as it begins, made under SNAPSHOT_FLAGS. Without it Node has what it compiled of itself for V8 without flags, and compiles it anew. */
  snapshot?: string;
}

/** A sandbox reads its own code. Guests' code arrives over the channel. */
const SANDBOX: SandboxProgram = {
  script: PROGRAM_ROOT + PROGRAM_SCRIPT,
  readable: ['package.json', 'core/', 'runner/engine/', 'runner/sandbox/'].map((path) => PROGRAM_ROOT + path),
};

/** Heap of the sandbox's own JavaScript, MiB; guests' memories lie outside it. */
const HEAP_MB = 512;

/** Modules that the permission model does not hold (SQLite opens any file) or that read memory by address. A sandbox needs none. */
const WITHOUT = [
  '--no-addons',
  '--no-experimental-ffi',
  '--no-experimental-sqlite',
  '--no-experimental-webstorage',
  '--no-experimental-websocket',
].filter((flag) => process.allowedNodeEnvironmentFlags.has(flag)); // an older Node has fewer

/** What a snapshot has to be made under: V8 takes none that was made under other flags of its own, and Node finds modules in it that are not to be there. */
export const SNAPSHOT_FLAGS = [
  ...WITHOUT,
  '--wasm-lazy-validation',
  // Functions are optimised after a few calls and not in the first: of a guest that interprets, the loop of 80 KB that is its interpreter. An install makes two calls.
  '--wasm-tiering-budget=1000000000',
  '--disallow-code-generation-from-strings',
  `--max-old-space-size=${HEAP_MB}`,
  // An instance leaves garbage behind each call: fewer and whole collections cost less than markers that compete for the cores.
  '--no-incremental-marking',
  '--heap-growing-percent=300',
];

/** Node's flags for a process that may do nothing but compute: no files but `readable`, no network, children, workers or addons. */
function sandboxFlags({ readable, snapshot }: SandboxProgram): string[] {
  return [
    '--permission',
    ...readable.map((path) => `--allow-fs-read=${path}`),
    '--frozen-intrinsics',
    // Each thread that compiles or collects has memory of its own, 4 MB with its allocator's; one does, for a sandbox computes on one thread.
    '--v8-pool-size=1',
    '--disable-warning=ExperimentalWarning',
    ...SNAPSHOT_FLAGS,
    ...(snapshot === undefined ? [] : ['--snapshot-blob', snapshot]),
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

/**
 * Before everything else: no core dump, no file ever written, few descriptors. A service manager or a terminal that tells the whole group to stop must not stop what
 * stands before the sandbox either: the supervisor drains first. After what serves everybody when cores are short. Never RLIMIT_AS: each memory of a guest reserves 8 GiB of addresses.
 */
const SHELL = `trap "" TERM INT; ulimit -c 0; ulimit -f 0; ulimit -n 256; unset PWD; exec nice -n ${NICENESS} "$@"`;

/** A child started with a channel at descriptor 3. */
export interface SandboxProcess {
  /** What was started: the sandbox, or what watches over it; it ends when the sandbox does. */
  child: ChildProcess;
  channel: Duplex;
  /** Of the sandbox itself, as this machine counts; undefined while it is not known yet. */
  readonly pid: number | undefined;
  kill(): void;
}

/** Starts a script with the sandbox's flags, an empty environment and one socket to us as descriptor 3. */
export function startSandboxProcess(
  isolation: Isolation,
  program: SandboxProgram = SANDBOX,
  bwrap?: string,
): SandboxProcess {
  const command = [process.execPath, ...sandboxFlags(program), program.script];
  return isolation === 'bubblewrap'
    ? startBehindWalls(command, program.readable, bwrap)
    : startPlainly(command);
}

function startPlainly(command: readonly string[]): SandboxProcess {
  const child = spawn('/bin/sh', ['-c', SHELL, 'sh', ...deathLauncher(), ...command], {
    cwd: '/',
    env: {},
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  return {
    child,
    channel: streamOf(child, CHANNEL_FD),
    get pid() {
      return child.pid;
    },
    kill: () => void child.kill('SIGKILL'),
  };
}

/** Starts any program behind all that bubblewrap has. */
export function startBehindWalls(
  command: readonly string[],
  readable: readonly string[],
  bwrap = 'bwrap',
): SandboxProcess {
  const walled = [bwrap, ...bubblewrap([...nodeFiles(), ...readable]), ...command];
  const child = spawn('/bin/sh', ['-c', SHELL, 'sh', ...walled], {
    cwd: '/',
    env: {}, // the shell looks in the system's own folders
    detached: true, // a session of its own: no terminal is within its reach
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
  });
  if (child.pid !== undefined) void lowerGroup(child.pid);
  const filter = streamOf(child, SECCOMP_FD);
  const info = streamOf(child, INFO_FD);
  let said = '';
  let pid: number | undefined;
  info.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    pid = sandboxPid(said);
  });
  // When bubblewrap does not come so far, it ends, and that is heard.
  for (const stream of [filter, info]) stream.on('error', () => undefined);
  filter.end(seccompFilter(process.arch as Machine));
  return {
    child,
    channel: streamOf(child, CHANNEL_FD),
    get pid() {
      return pid;
    },
    kill() {
      // The sandbox first: bubblewrap then ends as well, and only then is everything gone.
      if (pid === undefined || child.exitCode !== null || child.signalCode !== null) child.kill('SIGKILL');
      else killIfThere(pid);
    },
  };
}

/** One that is closed where this process has no descriptors left: `spawn` then makes none of them, and says so in an event of the child's. */
function streamOf(child: ChildProcess, fd: number): Duplex {
  const stdio = child.stdio as readonly unknown[] | undefined; // longer than its type, or not there
  return (stdio?.[fd] as Duplex | undefined) ?? new PassThrough().destroy();
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended by itself
  }
}
