import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { processIdentity } from '../../starter/processes/identity.ts';
import { waitFor } from '../../starter/wait-for.ts';
import {
  makeDataDir,
  processesOf,
  removeDataDir,
  runStarter,
  send,
  type Starter,
} from '../support/platform.ts';
import type { LocalFile } from '../../starter/local-file.ts';

const run = promisify(execFile);
const secrets = z.object({ tokens: z.record(z.string(), z.string()) });
const counted = z.object({ count: z.int() });
const printed = z.object({ level: z.string(), process: z.string(), call: z.string().optional() });
const NAMES = ['gateway', 'lifecycle-worker', 'postgres', 'precompile-worker', 'runner', 'temporal'];

// One story in the order a person lives it; each test begins where the one before ended.
describe('npm start', () => {
  const dataDir = makeDataDir();
  let starter: Starter;
  let local: LocalFile;

  afterAll(async () => {
    starter.signal('SIGTERM');
    await starter.ended;
    await removeDataDir(dataDir);
  });

  const callHello = async (): Promise<number> => {
    const url = `${local.gateway}/api/ext/alga.hello/hello/story`;
    const answer = await send(url, 'GET', { key: local.keys.user });
    expect(answer.status).toBe(200);
    return counted.parse(answer.json).count;
  };
  const alive = (pids: Record<string, number>): string[] =>
    Object.entries(pids)
      .filter(([, pid]) => processIdentity(pid) !== undefined)
      .map(([name]) => name)
      .sort();

  it('brings everything up and leaves keys to its owner alone', async () => {
    starter = runStarter(dataDir);
    local = await starter.ready();
    expect(alive(processesOf(dataDir))).toEqual(NAMES);
    expect(await callHello()).toBe(1);
    for (const file of ['local.json', 'secrets.json', 'processes.json']) {
      expect({ file, mode: statSync(path.join(dataDir, file)).mode & 0o777 }).toEqual({ file, mode: 0o600 });
    }
  }, 900_000);

  // Compiling holds the starter's thread for longer than a connection to the database may take.
  it('compiles the example only when the database is ready', () => {
    const said = starter.output();
    expect(said).toContain('applied');
    expect(said.indexOf('built ')).toBeGreaterThan(said.indexOf('applied'));
  });

  it('prints a line that can be pasted', async () => {
    await waitFor(() => starter.output().includes('curl'), 60_000);
    // Into a pipe, as here, every line is JSON.
    const lines = starter
      .output()
      .trimEnd()
      .split('\n')
      .map((line) => printed.parse(JSON.parse(line)));
    const { stdout } = await run('bash', ['-c', lines.find(({ call }) => call !== undefined)?.call ?? '']);
    expect(JSON.parse(stdout)).toMatchObject({ greeting: 'Hello, world!' });
  });

  it('gives the runner no database and no Temporal, and what is secret in files', () => {
    const pid = processesOf(dataDir)['runner'] ?? -1;
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
    expect(environment).toContain('GATEWAY_BASE_URL');
    expect(environment).toContain(`RUNNER_SERVICE_TOKEN_FILE=${dataDir}`);
    const { tokens } = secrets.parse(JSON.parse(readFileSync(path.join(dataDir, 'secrets.json'), 'utf8')));
    for (const token of Object.values(tokens)) expect(environment).not.toContain(token);
    expect(environment).not.toMatch(
      /DATABASE|POSTGRES|TEMPORAL|EXECUTION_TOKEN_PRIVATE|ARTIFACT_SIGNING_PRIVATE/,
    );
  });

  it('says where the platform runs when it runs already, and ends with 0', async () => {
    const second = runStarter(dataDir);
    expect(await second.ended).toBe(0);
    expect(second.output()).toContain(local.gateway);
    expect(second.output()).toContain(`pid ${local.pid}`);
    expect(await callHello()).toBe(2);
  });

  it('refuses a port that a person asked for and somebody has', async () => {
    const other = makeDataDir();
    const taken = new URL(local.gateway).port;
    const refused = runStarter(other, { GATEWAY_PORT: taken });
    expect(await refused.ended).toBe(1);
    expect(refused.output()).toContain(`GATEWAY_PORT=${taken}`);
    await removeDataDir(other);
  });

  it('recovers by itself after kill -9, leftovers included, with its data and without its ledger', async () => {
    const before = processesOf(dataDir);
    starter.signal('SIGKILL');
    await starter.ended;
    // What needs the starter leaves with it; the services stay until the next start finds them.
    expect(await waitFor(() => alive(before).length === 2, 60_000)).toBe(true);
    expect(alive(before)).toEqual(['postgres', 'temporal']);
    writeFileSync(path.join(dataDir, 'processes.json'), '[{"name": "postg');
    starter = runStarter(dataDir);
    local = await starter.ready();
    expect(await callHello()).toBe(3);
    expect(alive(before)).toEqual([]);
    expect(starter.output()).toContain('left over from an earlier start');
  });

  it('stops everything it started at Ctrl-C, and keeps the data', async () => {
    const before = processesOf(dataDir);
    starter.signal('SIGINT');
    expect(await starter.ended).toBe(0);
    expect(alive(before)).toEqual([]);
    expect(() => statSync(path.join(dataDir, 'local.json'))).toThrow('ENOENT');
    starter = runStarter(dataDir);
    local = await starter.ready();
    expect(await callHello()).toBe(4);
  });

  it('stops at once when asked twice, and the next start recovers', async () => {
    const before = processesOf(dataDir);
    starter.signal('SIGINT');
    await waitFor(() => starter.output().includes('stopping'), 60_000);
    starter.signal('SIGINT');
    expect([0, 130]).toContain(await starter.ended);
    expect(await waitFor(() => alive(before).length === 0, 60_000)).toBe(true);
    starter = runStarter(dataDir);
    local = await starter.ready();
    expect(await callHello()).toBe(5);
  });
});
