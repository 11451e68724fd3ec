import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { makeRunFolder, sweepDeadRuns } from './run-folder.ts';

let where: string;
beforeEach(() => {
  where = mkdtempSync(path.join(os.tmpdir(), 'runs-'));
});
afterEach(() => rmSync(where, { recursive: true, force: true }));

describe('the folder of a run', () => {
  it('is left alone as long as the run is there', () => {
    const folder = makeRunFolder(where);
    sweepDeadRuns(() => undefined, where);
    expect(existsSync(folder)).toBe(true);
  });

  (process.platform === 'linux' ? it : it.skip)(
    'is swept when the run is gone, with what it has left running',
    async () => {
      const folder = makeRunFolder(where);
      writeFileSync(path.join(folder, 'owner'), `${process.pid} another process that had this number`);
      const left = spawn('sleep', ['600'], { env: { PATH: process.env['PATH'], TMPDIR: folder } });
      const beside = spawn('sleep', ['600'], { env: { PATH: process.env['PATH'], TMPDIR: where } });
      await Promise.all([once(left, 'spawn'), once(beside, 'spawn')]);
      const said: string[] = [];
      sweepDeadRuns((line) => said.push(line), where);
      expect(await once(left, 'exit')).toEqual([null, 'SIGKILL']);
      expect([existsSync(folder), said.length, beside.exitCode]).toEqual([false, 1, null]);
      beside.kill('SIGKILL');
    },
  );
});
