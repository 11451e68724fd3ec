import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createLedger } from '../../../starter/processes/ledger.ts';
import { createSupervisor, type Supervisor } from '../../../starter/processes/supervisor.ts';
import { startPostgres } from '../../../starter/services/postgres.ts';
import { waitFor } from '../../../starter/wait-for.ts';

// A disk of its own, to be filled, is made by root alone.
const onDisk = process.getuid?.() === 0 && process.platform === 'linux' ? describe : describe.skip;

onDisk('a data folder on a disk that is full', () => {
  let disk: string;
  let supervisor: Supervisor;
  const lines: string[] = [];
  const log = (line: string): void => void lines.push(line);

  beforeEach(() => {
    disk = mkdtempSync(path.join(os.tmpdir(), 'alga-full-'));
    const { stderr, status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=200m', 'tmpfs', disk]);
    if (status !== 0) throw new Error(`no disk to fill: ${stderr.toString()}`);
    supervisor = createSupervisor({
      ledger: createLedger(path.join(disk, 'processes.json'), log),
      logsFolder: path.join(disk, 'logs'),
      log,
    });
  });
  afterEach(async () => {
    await supervisor.stopAll();
    spawnSync('umount', [disk]);
    rmSync(disk, { recursive: true });
  });

  function fill(file: string): void {
    const descriptor = openSync(file, 'w');
    try {
      for (let size = 2 ** 20; size >= 1;) {
        try {
          writeSync(descriptor, Buffer.alloc(size));
        } catch (cause) {
          expect((cause as NodeJS.ErrnoException).code).toBe('ENOSPC');
          size = Math.floor(size / 2);
        }
      }
    } finally {
      closeSync(descriptor);
    }
  }

  it('keeps PostgreSQL from starting again, and no longer once there is room', async () => {
    const server = await startPostgres({
      dataDir: path.join(disk, 'postgres'),
      password: 'test',
      supervisor,
      log,
    });
    const query = async (sql: string): Promise<unknown[]> => {
      const client = new pg.Client({ connectionString: server.url });
      client.on('error', () => undefined); // the query tells
      try {
        await client.connect();
        return (await client.query<Record<string, unknown>>(sql)).rows;
      } finally {
        await client.end();
      }
    };
    await query("create table kept as select 'here' as what");
    const filler = path.join(disk, 'filler');
    fill(filler);
    process.kill(server.pid() ?? -1, 'SIGKILL');
    const again = (): number => lines.filter((line) => line.includes('starting it again')).length;
    expect(await waitFor(() => again() > 2, 60_000)).toBe(true);
    expect(lines.join('\n')).toMatch(/processes\.json cannot be written: ENOSPC/);
    rmSync(filler);
    const serves = (): Promise<boolean> =>
      query('select what from kept').then(
        (rows) => rows.length === 1,
        () => false, // not yet
      );
    expect(await waitFor(serves, 60_000)).toBe(true);
  }, 180_000);
});
