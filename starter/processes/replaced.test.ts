import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '../wait-for.ts';
import { FIRST_SOCKET, holdSocket } from './held-sockets.ts';
import { createLedger, type Ledger } from './ledger.ts';
import type { ProcessSpec } from './running.ts';
import { createSupervisor, type Supervised, type Supervisor } from './supervisor.ts';

const LEAVE_WITH_STARTER = path.resolve(import.meta.dirname, '..', 'leave-with-starter.ts');
const WITHIN_MS = 60_000;

const HTTP_SERVER = path.resolve(import.meta.dirname, '..', '..', 'platform', 'http', 'http-server.ts');

/** Answers with its pid, after a while, or once a file is there that the path names; on SIGTERM it takes no more, and ends once all is answered. */
const SERVER = `
  import(${JSON.stringify(HTTP_SERVER)}).then(async ({ createHttpServer }) => {
    const { existsSync } = await import('node:fs');
    const server = createHttpServer((req, res) => {
      const wait = setInterval(() => {
        if (req.url !== '/' && !existsSync(decodeURIComponent(req.url.slice(1)))) return;
        clearInterval(wait);
        res.end(String(process.pid));
      }, 100);
    });
    process.once('SIGTERM', () => void server.close(10_000));
    await server.listen({ fd: ${FIRST_SOCKET} });
  });
`;

const TURNS = path.resolve(import.meta.dirname, '..', '..', 'runner', 'turns.ts');

/** Answers with its pid and whether it was told to stop, in its turn, for which it is prepared once a file is there. */
const turnTaker = (mayPrepare: string): string => `
  import(${JSON.stringify(HTTP_SERVER)}).then(async ({ createHttpServer }) => {
    const { createTurns } = await import(${JSON.stringify(TURNS)});
    const { existsSync } = await import('node:fs');
    let told = '';
    const server = createHttpServer((req, res) => res.end(process.pid + told));
    const turns = createTurns(true);
    while (!existsSync(${JSON.stringify(mayPrepare)})) await new Promise((resolve) => setTimeout(resolve, 20));
    await turns.begin();
    process.once('SIGTERM', async () => {
      told = ' told';
      await turns.end();
      void server.close(10_000);
      turns.over();
    });
    await server.listen({ fd: ${FIRST_SOCKET} });
  });
`;

describe('a role that is replaced', () => {
  let folder: string;
  let ledger: Ledger;
  let supervisor: Supervisor;
  let url: string;
  let role: Supervised;
  const lines: string[] = [];
  let isReady = (): boolean => true;
  let readyWithinMs: number;

  async function start(more: Partial<ProcessSpec> = {}): Promise<void> {
    const socket = await holdSocket('127.0.0.1', 0);
    url = `http://127.0.0.1:${socket.address().port}`;
    role = await supervisor.start({
      name: 'role',
      command: process.execPath,
      args: ['--import', LEAVE_WITH_STARTER, '-e', SERVER],
      env: {},
      role: true,
      sockets: [socket],
      listeners: 1,
      get readyWithinMs() {
        return readyWithinMs;
      },
      ready: async () => isReady() && (await fetch(url)).ok,
      ...more,
    });
  }

  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'alga-replaced-'));
    lines.length = 0;
    isReady = () => true;
    readyWithinMs = WITHIN_MS;
    const log = (line: string): void => void lines.push(line);
    ledger = createLedger(path.join(folder, 'processes.json'), log);
    supervisor = createSupervisor({ ledger, logsFolder: path.join(folder, 'logs'), log });
  });
  afterEach(async () => {
    await supervisor.stopAll();
    expect(ledger.running()).toEqual([]);
    rmSync(folder, { recursive: true });
  });

  /** Calls without pause; a call that is refused or cut off rejects. */
  function callers(): { answers: ReadonlySet<string>; stop: () => Promise<void> } {
    let going = true;
    const answers = new Set<string>();
    const all = Array.from({ length: 8 }, async () => {
      while (going) answers.add(await (await fetch(url)).text());
    });
    return {
      answers,
      async stop() {
        going = false;
        await Promise.all(all);
      },
    };
  }

  it('because it was told to stop answers what it has, and its successor what comes', async () => {
    await start();
    const calls = callers();
    const first = role.pid() ?? -1;
    expect(await waitFor(() => calls.answers.has(String(first)), WITHIN_MS)).toBe(true);
    process.kill(first, 'SIGTERM');
    expect(await waitFor(() => role.restarts() === 1 && role.pid() !== first, WITHIN_MS)).toBe(true);
    await fetch(url);
    await calls.stop();
    expect(calls.answers).toEqual(new Set([String(first), String(role.pid())]));
    expect(lines[0]).toBe('role was told to stop; starting it again in 0.2 s');
  });

  it('because it is told to stop again and again is started ever later', async () => {
    await start();
    for (let turn = 1; turn <= 2; turn += 1) {
      const pid = role.pid() ?? -1;
      process.kill(pid, 'SIGTERM');
      expect(await waitFor(() => role.restarts() === turn && role.pid() !== pid, WITHIN_MS)).toBe(true);
      await waitFor(() => lines.filter((line) => line === 'role runs again').length === turn, WITHIN_MS);
    }
    const told = lines.filter((line) => line.includes('told'));
    expect(told).toEqual([0.2, 0.4].map((s) => `role was told to stop; starting it again in ${s} s`));
  });

  it('is not told to stop a second time while it answers what it has', async () => {
    await start();
    const mark = path.join(folder, 'answer');
    const slow = fetch(`${url}/${encodeURIComponent(mark)}`);
    const first = role.pid() ?? -1;
    await fetch(url); // so the slow one has arrived
    process.kill(first, 'SIGTERM');
    expect(await waitFor(() => lines.length > 0, WITHIN_MS)).toBe(true);
    const stopped = supervisor.stopAll();
    writeFileSync(mark, '');
    expect(await (await slow).text()).toBe(String(first));
    await stopped;
  });

  it('because it died has those wait who come meanwhile', async () => {
    await start();
    const first = role.pid() ?? -1;
    process.kill(first, 'SIGKILL');
    await waitFor(() => role.pid() === undefined, WITHIN_MS);
    expect(Number(await (await fetch(url)).text())).not.toBe(first);
  });

  it.each([true, false])('on demand fails no call, overlapping: %p', async (overlaps) => {
    await start({ overlaps });
    const calls = callers();
    const pids = [role.pid()];
    for (let turn = 0; turn < 3; turn += 1) {
      await role.restart();
      pids.push(role.pid());
    }
    await fetch(url);
    await calls.stop();
    expect(new Set(pids).size).toBe(4);
  });

  describe('and takes turns', () => {
    const mayPrepare = (): string => path.join(folder, 'may-prepare');
    const startTurns = async (): Promise<number> => {
      writeFileSync(mayPrepare(), '');
      await start({
        args: ['--import', LEAVE_WITH_STARTER, '-e', turnTaker(mayPrepare())],
        takesTurns: true,
      });
      return role.pid() ?? -1;
    };

    it('by hand serves until its successor is prepared, which then begins', async () => {
      const first = await startTurns();
      rmSync(mayPrepare());
      process.kill(first, 'SIGTERM');
      expect(await waitFor(() => ledger.running().length === 2, WITHIN_MS)).toBe(true);
      const calls = callers();
      expect(await waitFor(() => calls.answers.has(`${first} told`), WITHIN_MS)).toBe(true);
      writeFileSync(mayPrepare(), '');
      expect(await waitFor(() => role.restarts() === 1 && role.pid() !== first, WITHIN_MS)).toBe(true);
      await fetch(url);
      await calls.stop();
      expect(calls.answers).toEqual(new Set([`${first} told`, String(role.pid())]));
    });

    it('on demand fails no call', async () => {
      const pids = [await startTurns()];
      const calls = callers();
      for (let turn = 0; turn < 3; turn += 1) {
        await role.restart();
        pids.push(role.pid() ?? -1);
      }
      await fetch(url);
      await calls.stop();
      expect(new Set(pids).size).toBe(4);
    });

    it('goes on when its successor does not get prepared', async () => {
      const first = await startTurns();
      rmSync(mayPrepare());
      readyWithinMs = 2_000;
      await expect(role.restart()).rejects.toThrow('its successor was not ready within 2 s');
      expect(await (await fetch(url)).text()).toBe(String(first));
    });

    it('stops with everything, also while its successor is not prepared', async () => {
      const first = await startTurns();
      rmSync(mayPrepare());
      process.kill(first, 'SIGTERM');
      expect(await waitFor(() => ledger.running().length === 2, WITHIN_MS)).toBe(true);
      await supervisor.stopAll();
      expect(ledger.running()).toEqual([]);
    });
  });

  it('goes on when its successor does not become ready', async () => {
    await start({ overlaps: true });
    const first = role.pid();
    isReady = () => false;
    readyWithinMs = 2_000;
    await expect(role.restart()).rejects.toThrow(
      'role is not replaced: its successor was not ready within 2 s',
    );
    expect(role.pid()).toBe(first);
    expect(await (await fetch(url)).text()).toBe(String(first));
  });

  it('has one successor if it ends while that one is on its way', async () => {
    await start({ overlaps: true });
    const first = role.pid() ?? -1;
    let isUp = false;
    isReady = () => isUp;
    const restarted = role.restart();
    expect(await waitFor(() => ledger.running().length === 2, WITHIN_MS)).toBe(true);
    const second = ledger.running()[1]?.pid;
    process.kill(first, 'SIGKILL');
    expect(await waitFor(() => ledger.running().length === 1, WITHIN_MS)).toBe(true);
    isUp = true;
    await restarted;
    expect(role.pid()).toBe(second);
    expect(ledger.running().map(({ pid }) => pid)).toEqual([second]);
  });

  it.each([true, false])('has none once everything is being stopped, overlapping: %p', async (overlaps) => {
    await start({ overlaps });
    isReady = () => false;
    const restarted = role.restart();
    await waitFor(() => ledger.running().length === 2 || lines.length > 0, WITHIN_MS);
    await supervisor.stopAll();
    await restarted;
    await role.restart();
    expect(ledger.running()).toEqual([]);
  });

  it('refuses connections once everything is stopped', async () => {
    await start();
    await supervisor.stopAll();
    await expect(fetch(url)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
  });
});
