import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { processIdentity } from '../../../starter/processes/identity.ts';
import { createLedger, type Ledger } from '../../../starter/processes/ledger.ts';
import { createSupervisor, type Supervisor } from '../../../starter/processes/supervisor.ts';
import { startPostgres, type LocalPostgres } from '../../../starter/services/postgres.ts';
import { waitFor } from '../../../starter/wait-for.ts';
import { watchEnd } from '../../support/watch-end.ts';

/** A server and its children work in its data folder. */
function pidsIn(folder: string): number[] {
  const cwd = (pid: string): string | undefined => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`);
    } catch {
      return undefined; // ended meanwhile
    }
  };
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && cwd(name) === folder)
    .map(Number);
}

describe('the PostgreSQL of one machine', () => {
  let folder: string;
  let supervisor: Supervisor;
  let ledger: Ledger;
  const lines: string[] = [];
  const log = (line: string): void => void lines.push(line);
  const newSupervisor = (): Supervisor => {
    ledger = createLedger(path.join(folder, 'processes.json'), log);
    const health = { everyMs: 100, withinMs: 1_000, silentMs: 3_000, misses: 3 };
    return createSupervisor({ ledger, logsFolder: path.join(folder, 'logs'), log, health });
  };

  beforeEach(() => {
    lines.length = 0;
    folder = mkdtempSync(path.join(os.tmpdir(), 'alga-postgres-'));
    supervisor = newSupervisor();
  });
  afterEach(async () => {
    await supervisor.stopAll();
    rmSync(folder, { recursive: true });
  });

  const dataDir = (): string => path.join(folder, 'postgres');
  const start = (durable = false): Promise<LocalPostgres> =>
    startPostgres({ dataDir: dataDir(), password: 'test', durable, supervisor, log });
  async function query(url: string, sql: string): Promise<unknown[]> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  const answers = (url: string): Promise<boolean> =>
    query(url, 'select what from kept').then(
      (rows) => rows.length === 1,
      () => false, // between two lives
    );

  it('keeps its data from start to start', async () => {
    const first = await start();
    await query(first.url, "create table kept as select 'here' as what");
    await first.stop();
    expect(await query((await start()).url, 'select what from kept')).toEqual([{ what: 'here' }]);
  });

  it('asks for the password and listens to this machine alone', async () => {
    const { url } = await start();
    await expect(query(url.replace(':test@', ':guess@'), 'select 1')).rejects.toMatchObject({
      code: '28P01',
    });
    expect(await query(url, 'show listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
    expect(await query(url, 'show unix_socket_directories')).toEqual([{ unix_socket_directories: '' }]);
  });

  it('is started again with its data when it is killed, also when its pid is another program by then', async () => {
    const server = await start(true);
    await query(server.url, "create table kept as select 'here' as what");
    const innocent = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    try {
      await once(innocent, 'spawn');
      const pidFile = path.join(dataDir(), 'postmaster.pid');
      const reused = readFileSync(pidFile, 'utf8').replace(/^\d+/, String(innocent.pid ?? -1));
      process.kill(server.pid() ?? -1, 'SIGKILL');
      writeFileSync(pidFile, reused);
      expect(await waitFor(() => answers(server.url), 60_000)).toBe(true);
      expect(processIdentity(innocent.pid ?? -1)).toBeDefined();
    } finally {
      innocent.kill('SIGKILL');
    }
  });

  it('is started again with its data when it is frozen, its children too', async () => {
    const server = await start(true);
    await query(server.url, "create table kept as select 'here' as what");
    const children = pidsIn(dataDir());
    expect(children.length).toBeGreaterThan(3);
    const ends = children.map(watchEnd);
    for (const pid of children) process.kill(pid, 'SIGSTOP');
    expect(await waitFor(() => ends.every((hasEnded) => hasEnded()), 60_000)).toBe(true);
    expect(await waitFor(() => answers(server.url), 60_000)).toBe(true);
  });

  it('stops a server that a killed starter left on its folder', async () => {
    const module = (file: string): string =>
      JSON.stringify(path.resolve(import.meta.dirname, '../../../starter', file));
    const script = `
      const { createLedger } = await import(${module('processes/ledger.ts')});
      const { createSupervisor } = await import(${module('processes/supervisor.ts')});
      const { startPostgres } = await import(${module('services/postgres.ts')});
      const log = () => {};
      const ledger = createLedger(${JSON.stringify(path.join(folder, 'earlier.json'))}, log);
      const supervisor = createSupervisor({ ledger, logsFolder: ${JSON.stringify(path.join(folder, 'logs'))}, log });
      const dataDir = ${JSON.stringify(dataDir())};
      const server = await startPostgres({ dataDir, password: 'test', durable: false, supervisor, log });
      console.log(server.pid());`;
    const starter = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [said] = (await once(starter.stdout, 'data')) as [Buffer];
    const pid = Number(said.toString());
    starter.kill('SIGKILL');
    await once(starter, 'exit');
    const hasEnded = watchEnd(pid);
    expect(hasEnded()).toBe(false);

    const second = await start();
    expect(lines).toContain(`stopping PostgreSQL (pid ${pid}), left over from an earlier start`);
    expect(hasEnded()).toBe(true);
    expect(await query(second.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  it('leaves a process alone that has the pid of a server long gone', async () => {
    const first = await start();
    await first.stop();
    const innocent = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    await once(innocent, 'spawn');
    try {
      const pidFile = path.join(dataDir(), 'postmaster.pid');
      writeFileSync(pidFile, `${innocent.pid ?? -1}\n${dataDir()}\n1\n5432\n\n127.0.0.1\n`);
      const second = await start();
      expect(await query(second.url, 'select 1 as one')).toEqual([{ one: 1 }]);
      expect(processIdentity(innocent.pid ?? -1)).toBeDefined();
      expect(readFileSync(pidFile, 'utf8')).toMatch(new RegExp(`^${second.pid() ?? -1}\n`));
    } finally {
      innocent.kill('SIGKILL');
    }
  });
});
