import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { Connection } from '@temporalio/client';
import { z } from 'zod';
import { installWorkflowId } from '../../core/ids.ts';
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
import { watchEnd } from '../support/watch-end.ts';

const run = promisify(execFile);
const secrets = z.object({ tokens: z.record(z.string(), z.string()) });
const counted = z.object({ count: z.int() });
const printed = z.object({ level: z.string(), process: z.string(), call: z.string().optional() });
const uiSettings = z.object({ Codec: z.object({ Endpoint: z.url() }) });
const listed = z.object({ items: z.array(z.object({ extensionId: z.string() })) });
const decodedPayloads = z.object({ payloads: z.array(z.object({ data: z.string() })) });
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
  /** Asks which of the processes there are now still run. */
  const watchProcesses = (): (() => string[]) => {
    const ends = Object.entries(processesOf(dataDir)).map(([name, pid]) => [name, watchEnd(pid)] as const);
    return () =>
      ends
        .filter(([, hasEnded]) => !hasEnded())
        .map(([name]) => name)
        .sort();
  };

  it('brings everything up and leaves keys to its owner alone', async () => {
    starter = runStarter(dataDir);
    local = await starter.ready();
    expect(watchProcesses()()).toEqual(NAMES);
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

  it('has the Temporal UI show what workflows hold in plain text, with no setting to make', async () => {
    const { ui = '', address, namespace } = local.temporal;
    const { Codec: codec } = uiSettings.parse((await send(`${ui}/api/v1/settings`, 'GET')).json);
    const installs = await send(`${local.gateway}/api/v1/installs`, 'GET', { key: local.keys.admin });
    const [install] = listed.parse(installs.json).items;
    const connection = await Connection.connect({ address });
    const { workflowExecutionInfo: info, executionConfig } =
      await connection.workflowService.describeWorkflowExecution({
        namespace,
        execution: { workflowId: installWorkflowId(local.tenantId, install?.extensionId ?? '') },
      });
    await connection.close();
    const { metadata, data } = executionConfig?.userMetadata?.summary ?? {};
    const base64 = (bytes?: Uint8Array | null): string => Buffer.from(bytes ?? []).toString('base64');
    const named = Object.entries(metadata ?? {}).map(([name, value]) => [name, base64(value)]);
    const json = { payloads: [{ metadata: Object.fromEntries(named) as object, data: base64(data) }] };
    const decode = (origin: string) =>
      send(`${codec.Endpoint}/decode`, 'POST', { json, headers: { origin } });
    expect(info?.type?.name).toBe('installExtension');
    const decoded = decodedPayloads.parse((await decode(ui)).json).payloads[0]?.data ?? '';
    expect(JSON.parse(Buffer.from(decoded, 'base64').toString())).toBe(
      `Install alga.hello 1.0.0 for tenant ${local.tenantId}`,
    );
    expect((await decode('https://elsewhere.example')).status).toBe(403);
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
    const alive = watchProcesses();
    starter.signal('SIGKILL');
    await starter.ended;
    // What needs the starter leaves with it; the services stay until the next start finds them.
    expect(await waitFor(() => alive().length === 2, 60_000)).toBe(true);
    expect(alive()).toEqual(['postgres', 'temporal']);
    writeFileSync(path.join(dataDir, 'processes.json'), '[{"name": "postg');
    starter = runStarter(dataDir);
    local = await starter.ready();
    expect(await callHello()).toBe(3);
    expect(alive()).toEqual([]);
    expect(starter.output()).toContain('left over from an earlier start');
  });

  it('stops everything it started at Ctrl-C, and keeps the data', async () => {
    const alive = watchProcesses();
    starter.signal('SIGINT');
    expect(await starter.ended).toBe(0);
    expect(alive()).toEqual([]);
    expect(() => statSync(path.join(dataDir, 'local.json'))).toThrow('ENOENT');
    starter = runStarter(dataDir);
    local = await starter.ready();
    expect(await callHello()).toBe(4);
  });

  it('stops at once when asked twice, and the next start recovers', async () => {
    const alive = watchProcesses();
    starter.signal('SIGINT');
    await waitFor(() => starter.output().includes('stopping'), 60_000);
    starter.signal('SIGINT');
    expect([0, 130]).toContain(await starter.ended);
    expect(await waitFor(() => alive().length === 0, 60_000)).toBe(true);
    starter = runStarter(dataDir);
    local = await starter.ready();
    expect(await callHello()).toBe(5);
  });
});
