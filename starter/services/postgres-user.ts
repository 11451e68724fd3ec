import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';

/** How a command must be started so that PostgreSQL accepts to run: it refuses to be root. */
export interface RunAs {
  uid?: number;
  gid?: number;
  /** Who must own the data folder. */
  owner?: { uid: number; gid: number };
  wrap(command: string, args: readonly string[]): { command: string; args: readonly string[] };
}

const plain: Pick<RunAs, 'wrap'> = { wrap: (command, args) => ({ command, args }) };

/** Chooses the user. Throws, with the ways out, if root may not become one that reaches the files. */
export function choosePostgresUser(dataDir: string, binary: string): RunAs {
  if (process.getuid?.() !== 0) return plain;
  const owner = ownerOf(dataDir) ?? accountOf('postgres') ?? accountOf('nobody');
  if (!owner) throw new Error(`root needs a user "postgres" or "nobody" to run PostgreSQL as; ${WAYS_OUT}`);
  const as: RunAs = { ...owner, owner, ...plain };
  const parent = path.dirname(dataDir);
  if (works(as, binary, ['--version']) && works(as, 'sh', ['-c', 'cd "$1"', 'sh', parent])) return as;
  // Below a home that others may not enter (/root): keep, of all of root's powers, the one to pass.
  const passing = withPassage(owner);
  if (works(passing, binary, ['--version'])) return passing;
  throw new Error(`user ${owner.uid} cannot reach ${parent} or ${binary}; ${WAYS_OUT}`);
}

const WAYS_OUT =
  'set DATABASE_URL to a PostgreSQL of yours, start as another user than root, or move to a folder that other users may enter';

function withPassage(owner: { uid: number; gid: number }): RunAs {
  const flags = [
    `--reuid=${owner.uid}`,
    `--regid=${owner.gid}`,
    '--clear-groups',
    '--inh-caps=+dac_override',
    '--ambient-caps=+dac_override',
  ];
  return {
    owner,
    wrap: (command, args) => ({ command: 'setpriv', args: [...flags, command, ...args] }),
  };
}

function works(as: RunAs, command: string, args: readonly string[]): boolean {
  const wrapped = as.wrap(command, args);
  const { status } = spawnSync(wrapped.command, wrapped.args, {
    cwd: '/',
    stdio: 'ignore',
    ...(as.uid !== undefined && { uid: as.uid }),
    ...(as.gid !== undefined && { gid: as.gid }),
  });
  return status === 0;
}

function ownerOf(dataDir: string): { uid: number; gid: number } | undefined {
  if (!existsSync(dataDir)) return undefined;
  const { uid, gid } = statSync(dataDir);
  return uid === 0 ? undefined : { uid, gid };
}

function accountOf(name: string): { uid: number; gid: number } | undefined {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
}
