import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { createApiClient, type ApiClient } from '../../core/api/client.ts';
import { SecretValue } from '../../core/secret-value.ts';
import { createFetchTransport } from '../../platform/http/fetch-transport.ts';
import { readLocalFile, type LocalFile } from '../../starter/local-file.ts';
import { recoverLeftovers } from '../../starter/processes/ledger.ts';
import { waitFor } from '../../starter/wait-for.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** Without a Temporal binary it is compiled first. */
const START_WITHIN_MS = 15 * 60_000;
const TIMEOUT_MS = 120_000;
const PORTS = ['GATEWAY_PORT', 'RUNNER_PORT', 'RUNNER_UI_PORT', 'TEMPORAL_PORT', 'TEMPORAL_UI_PORT'];

export interface Answer {
  status: number;
  headers: Headers;
  bytes: Buffer;
  text: string;
  /** Of a JSON answer; undefined of any other. */
  json: unknown;
}

export interface Request {
  /** API key; none is sent by default. */
  key?: string | undefined;
  json?: unknown;
  bytes?: Uint8Array;
  headers?: Record<string, string>;
}

export interface Starter {
  readonly dataDir: string;
  /** Everything it has said so far. */
  output(): string;
  /** Resolves with its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** Resolves once local.json is there. */
  ready(): Promise<LocalFile>;
  signal(signal: NodeJS.Signals): void;
}

/** Runs what `npm start` runs, on free ports. */
export function runStarter(dataDir: string, environment: Record<string, string> = {}): Starter {
  const inherited = ['PATH', 'HOME', 'XDG_CACHE_HOME', 'TEMPORAL_CLI', 'TMPDIR'];
  const env = Object.fromEntries(
    inherited.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
  const child: ChildProcess = spawn(
    process.execPath,
    // Over IPC, and leaving with its end: a test run that is killed leaves no platform behind.
    [
      '--disable-warning=ExperimentalWarning',
      ...['--import', path.join(ROOT, 'starter', 'leave-with-starter.ts')],
      path.join(ROOT, 'starter', 'main.ts'),
    ],
    {
      env: {
        ...env,
        ...Object.fromEntries(PORTS.map((name) => [name, '0'])),
        DATA_DIR: dataDir,
        ...environment,
      },
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  }
  const ended = once(child, 'exit').then(([code, signal]) => (signal ?? code) as number | NodeJS.Signals);
  let hasEnded = false;
  void ended.then(() => (hasEnded = true));
  return {
    dataDir,
    output: () => output,
    ended,
    async ready() {
      const file = path.join(dataDir, 'local.json');
      let local: LocalFile | undefined;
      await waitFor(() => {
        local = readLocalFile(file);
        return hasEnded || local?.pid === child.pid;
      }, START_WITHIN_MS);
      if (!local || hasEnded) throw new Error(`the platform did not start:\n${output}`);
      return local;
    },
    signal: (signal) => void child.kill(signal),
  };
}

export interface TestPlatform {
  readonly local: LocalFile;
  readonly starter: Starter;
  request(method: string, route: string, request?: Request): Promise<Answer>;
  /** The API as the holder of a key. */
  as(key: string): ApiClient;
  /** Pids of what runs now, by name. */
  processes(): Record<string, number>;
  /** Stops it and removes its data. */
  close(): Promise<void>;
}

/** A platform of its own for one test file, with the example installed: by an earlier start, where the run has made one, on whose data it goes on. */
export async function startPlatform(environment: Record<string, string> = {}): Promise<TestPlatform> {
  const dataDir = makeDataDir();
  const started = process.env['TEST_STARTED_DATA_DIR'];
  // With the owners of its files: PostgreSQL's are not root's.
  if (started !== undefined) await promisify(execFile)('cp', ['-a', `${started}/.`, dataDir]);
  const starter = runStarter(dataDir, environment);
  const local = await starter.ready();
  return {
    local,
    starter,
    request: (method, route, request) => send(`${local.gateway}${route}`, method, request),
    as: (key) =>
      createApiClient(
        createFetchTransport({ baseUrl: local.gateway, token: new SecretValue(key), timeoutMs: TIMEOUT_MS }),
      ),
    processes: () => processesOf(dataDir),
    async close() {
      starter.signal('SIGTERM');
      await starter.ended;
      await removeDataDir(dataDir);
    },
  };
}

export function makeDataDir(): string {
  return mkdtempSync(path.join(os.tmpdir(), 'alga-e2e-'));
}

/** Stops what a killed starter left behind before its folder goes. */
export async function removeDataDir(dataDir: string): Promise<void> {
  await recoverLeftovers(path.join(dataDir, 'processes.json'), () => undefined);
  rmSync(dataDir, { recursive: true, force: true });
}

const ledger = z.array(z.object({ name: z.string(), pid: z.int() }));

/** What the starter of this folder runs now, restarts included. */
export function processesOf(dataDir: string): Record<string, number> {
  const entries = ledger.parse(JSON.parse(readFileSync(path.join(dataDir, 'processes.json'), 'utf8')));
  return Object.fromEntries(entries.map(({ name, pid }) => [name, pid]));
}

export async function send(url: string, method: string, request: Request = {}): Promise<Answer> {
  const { key, json, bytes, headers } = request;
  const response = await fetch(url, {
    method,
    redirect: 'manual',
    headers: {
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...(json !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(json !== undefined && { body: JSON.stringify(json) }),
    ...(bytes !== undefined && { body: new Uint8Array(bytes) }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const body = Buffer.from(await response.arrayBuffer());
  const text = body.toString();
  const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    headers: response.headers,
    bytes: body,
    text,
    json: isJson ? JSON.parse(text) : undefined,
  };
}
