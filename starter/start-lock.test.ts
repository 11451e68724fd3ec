import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { takeStartLock } from './start-lock.ts';

describe('takeStartLock', () => {
  let folder: string;
  let file: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'alga-lock-'));
    file = path.join(folder, 'starter.lock');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is held by one at a time', () => {
    const first = takeStartLock(file);
    expect(first).toBeDefined();
    expect(takeStartLock(file)).toBeUndefined();
    first?.release();
    const second = takeStartLock(file);
    expect(second).toBeDefined();
    second?.release();
  });

  it('is free again when its holder was killed', async () => {
    const module = path.join(import.meta.dirname, 'start-lock.ts');
    const script = `
      const { takeStartLock } = await import(${JSON.stringify(module)});
      globalThis.lock = takeStartLock(${JSON.stringify(file)});
      console.log(lock ? 'held' : 'refused');
      setInterval(() => {}, 1000);`;
    const holder = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [said] = (await once(holder.stdout, 'data')) as [Buffer];
    expect(said.toString().trim()).toBe('held');
    expect(takeStartLock(file)).toBeUndefined();
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    const lock = takeStartLock(file);
    expect(lock).toBeDefined();
    lock?.release();
  });
});
