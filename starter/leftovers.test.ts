import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { stopLeftovers } from './leftovers.ts';
import { processIdentity } from './processes/identity.ts';
import { roleMark } from './roles.ts';
import { postgresMark } from './services/postgres.ts';
import { temporalMark } from './services/temporal-server.ts';

describe('leftovers that no ledger names', () => {
  let dataDir: string;
  const children: ChildProcess[] = [];
  const lines: string[] = [];

  beforeEach(() => {
    lines.length = 0;
    dataDir = mkdtempSync(path.join(os.tmpdir(), 'alga-leftovers-'));
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    rmSync(dataDir, { recursive: true });
  });

  async function started(...args: readonly string[]): Promise<number> {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', '--', ...args], {
      detached: true,
    });
    children.push(child);
    await once(child, 'spawn');
    return child.pid ?? -1;
  }

  it.each([
    ['there is no ledger', undefined],
    ['the ledger is unreadable', '[{"pid": 1'],
    ['the ledger lists others', '[]'],
  ])('are stopped when %s, and nothing else is', async (_which, ledger) => {
    if (ledger !== undefined) writeFileSync(path.join(dataDir, 'processes.json'), ledger);
    const leftovers = await Promise.all([
      started(roleMark(dataDir)),
      started(...temporalMark(path.join(dataDir, 'temporal'))),
      started(...postgresMark(path.join(dataDir, 'postgres'))),
    ]);
    const others = await Promise.all([
      started(roleMark(`${dataDir}-other`)),
      started(path.join(dataDir, 'postgres')),
      started('--db-filename', path.join(dataDir, 'postgres')),
    ]);
    await stopLeftovers(dataDir, (line) => lines.push(line));
    expect(leftovers.map(processIdentity)).toEqual([undefined, undefined, undefined]);
    expect(others.map(processIdentity)).not.toContain(undefined);
    expect(lines.filter((line) => line.includes('left over from an earlier start'))).toHaveLength(3);
  });
});
