import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '../wait-for.ts';
import { processIdentity } from './identity.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { createSupervisor, type ProcessSpec, type Supervisor } from './supervisor.ts';

describe('the supervisor', () => {
  let folder: string;
  let ledger: Ledger;
  let supervisor: Supervisor;
  const lines: string[] = [];

  beforeEach(() => {
    lines.length = 0;
    folder = mkdtempSync(path.join(os.tmpdir(), 'alga-supervisor-'));
    ledger = createLedger(path.join(folder, 'processes.json'));
    const log = (line: string): void => void lines.push(line);
    supervisor = createSupervisor({ ledger, logsFolder: path.join(folder, 'logs'), log });
  });
  afterEach(async () => {
    await supervisor.stopAll();
    expect(ledger.running()).toEqual([]);
    rmSync(folder, { recursive: true });
  });

  const node = (name: string, script: string, more: Partial<ProcessSpec> = {}): ProcessSpec => ({
    name,
    command: process.execPath,
    args: ['-e', script],
    env: {},
    role: true,
    ready: () => Promise.resolve(true),
    ...more,
  });
  const STAY = 'setInterval(() => {}, 1000);';

  it('gives a process the environment it was told and nothing of its own', async () => {
    const script = `console.log('has ' + Object.keys(process.env).sort());${STAY}`;
    await supervisor.start(node('bare', script, { env: { ONLY: 'this' } }));
    // Node's own variable is how a child finds its channel.
    const expected = /^\[bare\] has (NODE_CHANNEL_FD,NODE_CHANNEL_SERIALIZATION_MODE,)?ONLY$/;
    expect(await waitFor(() => lines.some((line) => expected.test(line)), 10_000)).toBe(true);
  });

  it('starts a process again that dies, and says so', async () => {
    const one = await supervisor.start(node('mortal', STAY));
    const first = one.pid() ?? -1;
    process.kill(first, 'SIGKILL');
    expect(await waitFor(() => one.restarts() === 1 && one.pid() !== undefined, 10_000)).toBe(true);
    expect(one.pid()).not.toBe(first);
    expect(lines[0]).toBe('mortal ended (SIGKILL); starting it again in 0.2 s');
  });

  it('gives up a role that ends before it is ready, with its last words', async () => {
    const broken = node('broken', 'console.error("no configuration"); process.exit(3)', {
      ready: () => Promise.resolve(false),
    });
    await expect(supervisor.start(broken)).rejects.toThrow(
      /broken ended before it was ready \(code 3\).*no configuration/s,
    );
  });

  it('stops a process that is not ready in time', async () => {
    const slow = node('slow', `console.log(process.pid);${STAY}`, {
      ready: () => Promise.resolve(false),
      readyWithinMs: 300,
    });
    await expect(supervisor.start(slow)).rejects.toThrow('slow was not ready within 0.3 s');
    expect(ledger.running()).toEqual([]);
  });

  it('stops in order of dependence: the last started first', async () => {
    const script = (name: string): string =>
      `process.on('SIGTERM', () => { console.log('${name} stops'); process.exit(0); }); console.log('up');${STAY}`;
    await supervisor.start(node('first', script('first')));
    await supervisor.start(node('second', script('second')));
    await waitFor(() => lines.filter((line) => line.endsWith('up')).length === 2, 10_000);
    await supervisor.stopAll();
    const log = (name: string): string => readFileSync(path.join(folder, 'logs', `${name}.log`), 'utf8');
    expect(log('first')).toContain('first stops');
    expect(log('second')).toContain('second stops');
    const stops = lines.filter((line) => line.endsWith('stops'));
    expect(stops).toEqual(['[second] second stops', '[first] first stops']);
  });

  it('takes a start back that is still under way', async () => {
    const never = supervisor.start(node('never', STAY, { ready: () => Promise.resolve(false) }));
    const outcome = expect(never).rejects.toThrow('never was stopped before it was ready');
    await waitFor(() => ledger.running().length === 1, 10_000);
    await supervisor.stopAll();
    await outcome;
    await expect(supervisor.start(node('late', STAY))).rejects.toThrow('everything is being stopped');
  });

  it('leaves no process of a killed one behind', async () => {
    const spawns = `const { pid } = require('node:child_process').spawn(process.execPath, ['-e', '${STAY}']); console.log('child ' + pid);${STAY}`;
    const parent = await supervisor.start(node('parent', spawns));
    const childPid = (): number =>
      Number(lines.map((line) => /child (\d+)/.exec(line)?.[1]).find((pid) => pid !== undefined));
    await waitFor(() => childPid() > 0, 10_000);
    const child = childPid();
    expect(processIdentity(child)).toBeDefined();
    process.kill(parent.pid() ?? -1, 'SIGKILL');
    expect(await waitFor(() => processIdentity(child) === undefined, 10_000)).toBe(true);
  });
});
