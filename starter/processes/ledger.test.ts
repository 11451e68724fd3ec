import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { processIdentity } from './identity.ts';
import { createLedger, recoverLeftovers } from './ledger.ts';

describe('leftovers of an earlier start', () => {
  let folder: string;
  let file: string;
  let child: ChildProcess;
  const lines: string[] = [];
  const log = (line: string): void => void lines.push(line);

  beforeEach(async () => {
    lines.length = 0;
    folder = mkdtempSync(path.join(os.tmpdir(), 'alga-ledger-'));
    file = path.join(folder, 'processes.json');
    child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true });
    await once(child, 'spawn');
  });
  afterEach(() => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  });

  const pid = (): number => child.pid ?? -1;

  it('are noted on disk for their owner alone', () => {
    createLedger(file, log).add('sleeper', pid(), 'SIGTERM');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual([
      { name: 'sleeper', pid: pid(), identity: processIdentity(pid()), stopSignal: 'SIGTERM' },
    ]);
  });

  it('are stopped', async () => {
    createLedger(file, log).add('sleeper', pid(), 'SIGTERM');
    const ended = once(child, 'exit');
    await recoverLeftovers(file, log);
    await ended;
    expect(child.signalCode).toBe('SIGTERM');
    expect(lines).toEqual([`stopping sleeper (pid ${pid()}), left over from an earlier start`]);
  });

  it('are left alone when their pid is another process by now', async () => {
    const entry = { name: 'sleeper', pid: pid(), identity: 'of an earlier process', stopSignal: 'SIGTERM' };
    writeFileSync(file, JSON.stringify([entry]));
    await recoverLeftovers(file, log);
    expect(child.exitCode).toBeNull();
    expect(processIdentity(pid())).toBeDefined();
    expect(lines).toEqual([]);
  });

  it('are none once they were stopped in order', async () => {
    const ledger = createLedger(file, log);
    ledger.add('sleeper', pid(), 'SIGTERM');
    ledger.remove(pid());
    await recoverLeftovers(file, log);
    expect(processIdentity(pid())).toBeDefined();
  });

  it('are noted as soon as there is room again on a disk that was full', () => {
    const ledger = createLedger(file, log);
    symlinkSync('/dev/full', `${file}.new`);
    ledger.add('sleeper', pid(), 'SIGTERM');
    ledger.remove(-1);
    expect(lines).toEqual([expect.stringContaining('ENOSPC')]);
    expect(ledger.running()).toHaveLength(1);
    rmSync(`${file}.new`);
    ledger.add('starter', process.pid, 'SIGTERM');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject([{ name: 'sleeper' }, { name: 'starter' }]);
  });

  it('cannot be told from a ledger that is unreadable, and that is said', async () => {
    writeFileSync(file, '[{"pid": 1');
    await recoverLeftovers(file, log);
    expect(lines).toHaveLength(1);
  });
});

describe('processIdentity', () => {
  it('stays the same for one process and is undefined for none', async () => {
    expect(processIdentity(process.pid)).toBe(processIdentity(process.pid));
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    expect(processIdentity(child.pid ?? -1)).toBeUndefined();
  });
});
