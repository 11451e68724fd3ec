import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openLogFile, type LogFile } from './log-file.ts';

describe('a log file', () => {
  let folder: string;
  let file: string;
  const cleanups: (() => void)[] = [];
  const faults: string[] = [];
  beforeEach(() => {
    faults.length = 0;
    folder = mkdtempSync(path.join(os.tmpdir(), 'alga-log-'));
    file = path.join(folder, 'role.log');
    cleanups.push(() => rmSync(folder, { recursive: true }));
  });
  afterEach(() => {
    for (const cleanup of cleanups.splice(0).reverse()) cleanup();
  });

  const open = (maxBytes: number, at = file): LogFile => {
    const log = openLogFile({ file: at, maxBytes, onFault: (line) => faults.push(line) });
    cleanups.push(() => log.close());
    return log;
  };
  const linesOf = (at: string): string[] => readFileSync(at, 'utf8').trimEnd().split('\n');

  it('turns while it is written, and the two together have the latest lines without a gap', () => {
    const log = open(1_000);
    for (let line = 0; line < 500; line += 1) log.write(`line ${line} ${'.'.repeat(line % 40)}`);
    for (const part of [file, `${file}.1`]) expect(statSync(part).size).toBeLessThanOrEqual(1_000);
    const kept = [...linesOf(`${file}.1`), ...linesOf(file)].map((line) => Number(line.split(' ')[1]));
    expect(kept.at(-1)).toBe(499);
    expect(kept).toEqual(kept.map((_, at) => 500 - kept.length + at));
    expect(existsSync(`${file}.2`)).toBe(false);
  });

  it('goes on where an earlier run ended, and turns what that one left too large', () => {
    writeFileSync(file, 'before\n');
    open(1_000).write('after');
    expect(linesOf(file)).toEqual(['before', 'after']);
    writeFileSync(file, 'x'.repeat(5_000));
    open(1_000).write('after');
    expect(linesOf(file)).toEqual(['after']);
  });

  it('cuts a line that has no end', () => {
    open(1_000).write('x'.repeat(10_000_000));
    expect(statSync(file).size).toBe(64 * 1024 + 1);
  });

  it('drops lines while it cannot be written, and tells how many once it can', () => {
    const away = path.join(folder, 'away', 'role.log');
    const log = open(1_000, away);
    for (const line of ['one', 'two', 'three']) log.write(line);
    expect(faults.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { level: 'warn', reason: 'ENOENT', file: away },
    ]);
    mkdirSync(path.dirname(away));
    for (const line of ['four', 'five']) log.write(line);
    const [note, ...rest] = linesOf(away);
    expect(JSON.parse(note ?? '')).toMatchObject({ level: 'warn', dropped: 3, reason: 'ENOENT' });
    expect(rest).toEqual(['four', 'five']);
    expect(faults).toHaveLength(1);
  });

  (existsSync('/dev/full') ? it : it.skip)(
    'survives a full disk, and goes on when there is room again',
    () => {
      symlinkSync('/dev/full', file);
      const log = open(1_000);
      for (const line of ['one', 'two']) log.write(line);
      expect(faults).toHaveLength(1);
      rmSync(file);
      log.write('three');
      const [note, ...rest] = linesOf(file);
      expect(JSON.parse(note ?? '')).toMatchObject({ dropped: 2, reason: 'ENOSPC' });
      expect(rest).toEqual(['three']);
    },
  );

  it('leaves no half of a line on a disk that fills up', () => {
    const disk = path.join(folder, 'disk');
    mkdirSync(disk);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]);
    if (mounted.status !== 0) {
      console.warn('not tested: mounting a small disk needs root');
      return;
    }
    cleanups.push(() => void spawnSync('umount', [disk]));
    const log = open(1_000_000, path.join(disk, 'role.log'));
    const ballast = path.join(disk, 'ballast');
    writeFileSync(ballast, Buffer.alloc(40_000));
    for (let line = 0; line < 100; line += 1) log.write(`${line} ${'.'.repeat(1_000)}`);
    const before = linesOf(path.join(disk, 'role.log'));
    expect(before.length).toBeLessThan(100);
    for (const line of before) expect(line).toMatch(/^\d+ \.{1000}$/);
    rmSync(ballast);
    log.write('room again');
    const [note, last] = linesOf(path.join(disk, 'role.log')).slice(-2);
    expect(JSON.parse(note ?? '')).toMatchObject({ dropped: 100 - before.length, reason: 'ENOSPC' });
    expect(last).toBe('room again');
  });

  it('tells at its end what it dropped', () => {
    const away = path.join(folder, 'away', 'role.log');
    const log = open(1_000, away);
    log.write('one');
    mkdirSync(path.dirname(away));
    log.close();
    expect(linesOf(away).map((line) => JSON.parse(line) as unknown)).toMatchObject([{ dropped: 1 }]);
  });
});
