import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '../wait-for.ts';
import { createLedger, type Ledger } from './ledger.ts';
import type { ProcessSpec } from './running.ts';
import { createSupervisor, type Supervisor } from './supervisor.ts';
import { watchEnd } from '../../test/support/watch-end.ts';

const LEAVE_WITH_STARTER = path.resolve(import.meta.dirname, '..', 'leave-with-starter.ts');

describe('the supervisor', () => {
  let folder: string;
  let ledger: Ledger;
  let supervisor: Supervisor;
  const lines: string[] = [];

  beforeEach(() => {
    lines.length = 0;
    folder = mkdtempSync(path.join(os.tmpdir(), 'alga-supervisor-'));
    const log = (line: string): void => void lines.push(line);
    ledger = createLedger(path.join(folder, 'processes.json'), log);
    supervisor = createSupervisor({
      ledger,
      logsFolder: path.join(folder, 'logs'),
      log,
      echo: (name, line) => lines.push(`[${name}] ${line}`),
      health: { everyMs: 50, withinMs: 300, silentMs: 4_000, misses: 4 },
    });
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
  /** Answers over IPC, as a role does. */
  const role = (name: string, script: string, more: Partial<ProcessSpec> = {}): ProcessSpec =>
    node(name, script, { args: ['--import', LEAVE_WITH_STARTER, '-e', script], ...more });
  const STAY = 'setInterval(() => {}, 1000);';

  it('gives a process the environment it was told and nothing of its own', async () => {
    const script = `console.log('has ' + Object.keys(process.env).sort());${STAY}`;
    await supervisor.start(node('bare', script, { env: { ONLY: 'this' } }));
    // Node's own variable is how a child finds its channel.
    const expected = /^\[bare\] has (NODE_CHANNEL_FD,NODE_CHANNEL_SERIALIZATION_MODE,)?ONLY$/;
    expect(await waitFor(() => lines.some((line) => expected.test(line)), 60_000)).toBe(true);
  });

  it('starts a process again that dies, and says so', async () => {
    const one = await supervisor.start(node('mortal', STAY));
    const first = one.pid() ?? -1;
    process.kill(first, 'SIGKILL');
    expect(await waitFor(() => one.restarts() === 1 && one.pid() !== undefined, 60_000)).toBe(true);
    expect(one.pid()).not.toBe(first);
    expect(lines[0]).toBe('mortal ended (SIGKILL); starting it again in 0.2 s');
  });

  it('starts a role again that is killed during its start', async () => {
    let launches = 0;
    const disturbed = node('disturbed', STAY, {
      ready: (pid) => {
        if (launches === 1) process.kill(pid, 'SIGKILL');
        return Promise.resolve(launches > 1);
      },
      before: () => Promise.resolve(void (launches += 1)),
    });
    const one = await supervisor.start(disturbed);
    expect(one.pid()).toBeDefined();
    expect(lines).toEqual(['disturbed ended before it was ready (SIGKILL); trying once more']);
  });

  it.each([
    ['frozen', STAY, (pid: number) => void process.kill(pid, 'SIGSTOP')],
    [
      'busy without end',
      `process.on('SIGUSR2', () => { for (;;); });console.log('awaits its work');${STAY}`,
      async (pid: number) => {
        await waitFor(() => lines.includes('[silent] awaits its work'), 60_000);
        process.kill(pid, 'SIGUSR2');
      },
    ],
  ])('replaces a role that is %s', async (_how, script, disturb) => {
    const one = await supervisor.start(role('silent', script));
    const first = one.pid() ?? -1;
    const hasEnded = watchEnd(first);
    await disturb(first);
    expect(await waitFor(() => one.restarts() === 1 && one.pid() !== undefined, 60_000)).toBe(true);
    expect(hasEnded()).toBe(true);
    expect(lines).toContain('silent lives and has not answered for 4 s; it is killed');
  });

  it('replaces a role that lives and no longer listens', async () => {
    let listens = true;
    const one = await supervisor.start(
      role('deaf', STAY, {
        alive: () => Promise.resolve(listens),
        before: () => Promise.resolve(void (listens = true)),
      }),
    );
    listens = false;
    expect(await waitFor(() => one.restarts() === 1 && one.pid() !== undefined, 60_000)).toBe(true);
  });

  it('leaves a role alone that answers now and then', async () => {
    let asked = 0;
    const one = await supervisor.start(
      role('slow', STAY, { alive: () => Promise.resolve((asked += 1) % 4 === 0) }),
    );
    expect(await waitFor(() => asked > 60, 60_000)).toBe(true);
    expect(one.restarts()).toBe(0);
  });

  it('tries on when what comes before a launch fails', async () => {
    let launches = 0;
    const before = (): Promise<void> => {
      launches += 1;
      return launches === 2 ? Promise.reject(new Error('no space left')) : Promise.resolve();
    };
    const one = await supervisor.start(node('mortal', STAY, { before }));
    process.kill(one.pid() ?? -1, 'SIGKILL');
    expect(await waitFor(() => launches === 3 && one.pid() !== undefined, 60_000)).toBe(true);
    expect(lines).toContain('mortal could not be started (no space left); starting it again in 0.4 s');
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
    await waitFor(() => lines.filter((line) => line.endsWith('up')).length === 2, 60_000);
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
    await waitFor(() => ledger.running().length === 1, 60_000);
    await supervisor.stopAll();
    await outcome;
    await expect(supervisor.start(node('late', STAY))).rejects.toThrow('everything is being stopped');
  });

  it('leaves no process of a killed one behind', async () => {
    const spawns = `const { pid } = require('node:child_process').spawn(process.execPath, ['-e', '${STAY}']); console.log('child ' + pid);${STAY}`;
    const parent = await supervisor.start(node('parent', spawns));
    const childPid = (): number =>
      Number(lines.map((line) => /child (\d+)/.exec(line)?.[1]).find((pid) => pid !== undefined));
    await waitFor(() => childPid() > 0, 60_000);
    const hasEnded = watchEnd(childPid());
    expect(hasEnded()).toBe(false);
    process.kill(parent.pid() ?? -1, 'SIGKILL');
    expect(await waitFor(hasEnded, 60_000)).toBe(true);
  });
});
