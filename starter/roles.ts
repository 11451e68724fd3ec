import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { LIFECYCLE_TASK_QUEUE, PRECOMPILE_TASK_QUEUE } from '../core/ids.ts';
import { parseEnvironment, withSecretFiles, type Environment } from '../platform/config/environment.ts';
import { temporalEntry } from '../platform/config/temporal.ts';
import { gatewayEnv } from '../platform/config/gateway.ts';
import { defaultMemoryBytes, runnerEnv } from '../platform/config/runner.ts';
import { lifecycleWorkerEnv, precompileWorkerEnv } from '../platform/config/worker.ts';
import type { TemporalServer } from '../platform/temporal/server.ts';
import { COMPILE_CACHE } from '../scripts/compile-cache.ts';
import { isSecret, secretsInFiles } from './credentials.ts';
import { HEALTH } from './processes/health.ts';
import { FIRST_SOCKET, type HeldSocket } from './processes/held-sockets.ts';
import type { ProcessSpec } from './processes/running.ts';
import type { LocalSecrets } from './secrets-file.ts';
import { watchPolls } from './services/temporal-server.ts';

/** Where everything listens. */
export interface Addresses {
  databaseUrl: string;
  temporal: TemporalServer & { namespace: string };
  /** Of the UI that was started here, and what opens the codec endpoint to it. */
  temporalUi?: { origins: readonly string[]; capability: string } | undefined;
  ports: { gateway: number; gatewayInternal: number; runnerUi: number; runners: readonly number[] };
}

/** What roles listen on. */
export interface RoleSockets {
  gateway: HeldSocket;
  gatewayInternal: HeldSocket;
  /** Of all runners. */
  runnerUi: HeldSocket;
  runners: readonly HeldSocket[];
}

export interface RolesOptions {
  /** What the person who starts set; each role gets of it only what its own schema names, and the object store's keys as they were given. */
  environment: Environment;
  dataDir: string;
  secrets: LocalSecrets;
  addresses: Addresses;
  sockets: RoleSockets;
  workflowBundle: string;
}

/** How one gets into a Temporal of somebody else's. */
const TEMPORAL_ENTRY = Object.keys(temporalEntry.shape);
const MIB = 1024 * 1024;
const ROOT = path.resolve(import.meta.dirname, '..');
const LEAVE_WITH_STARTER = path.join(import.meta.dirname, 'leave-with-starter.ts');
/** As many threads for V8's background work as there are cores beside the main thread's: Node takes four, and with fewer cores they hold the main thread up. */
const ROLE_FLAGS = ['--v8-pool-size=0'];
/** It asks for nothing while it works on as many components as it may, each for half an hour at most. */
const PRECOMPILE_SILENT_MS = 35 * 60_000;
/** Of the machine, not of us: where temporary files go, which certificates and time zone hold. */
const MACHINE = ['PATH', 'HOME', 'TMPDIR', 'TZ', 'LANG', 'NODE_EXTRA_CA_CERTS'];

/** The argument by which a role of this data folder is known; no role reads it. */
export function roleMark(dataDir: string): string {
  return `--data-dir=${dataDir}`;
}

/** The first runner has the name alone. */
function runnerName(at: number): string {
  return `runner${suffix(at)}`;
}

function suffix(at: number): string {
  return at === 0 ? '' : `-${at + 1}`;
}

/** Holds what the roles are handed, while they run. */
export function credentialsFolder(dataDir: string): string {
  return path.join(dataDir, 'credentials');
}

/** The processes of the platform: four, with one runner. A runner's has no database and no Temporal in it. */
export function createRoleSpecs(options: RolesOptions): ProcessSpec[] {
  const { environment, dataDir, secrets, addresses, sockets, workflowBundle } = options;
  const { databaseUrl, temporal, temporalUi, ports } = addresses;
  const gateway = `http://127.0.0.1:${ports.gateway}`;
  const gatewayInternal = `http://127.0.0.1:${ports.gatewayInternal}`;
  // Gateways ask every second; with one runner they have nowhere else to go.
  const noticeMs = ports.runners.length > 1 ? 2_500 : 0;
  const runners = ports.runners.map((port) => `http://127.0.0.1:${port}`);
  const memoryMb =
    environment['RUNNER_MEMORY_MB'] ?? String(Math.floor(defaultMemoryBytes() / MIB / ports.runners.length));
  const runnerUi = `http://127.0.0.1:${ports.runnerUi}`;
  const temporalEnv = {
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
    ...pick(withSecretFiles(environment, TEMPORAL_ENTRY), TEMPORAL_ENTRY),
    PAYLOAD_CODEC_KEY: secrets.payloadCodecKey,
    PAYLOAD_CODEC_PREVIOUS_KEYS: secrets.previousPayloadCodecKeys.join(','),
  };
  const storage = storageEnv(environment, dataDir);
  // The secrets that are a person's to choose.
  const { RUNNER_METRICS_TOKEN: metricsToken = secrets.tokens.metrics, UI_PROXY_AUTH_KEY: uiProxyKey } =
    withSecretFiles(environment, ['RUNNER_METRICS_TOKEN', 'UI_PROXY_AUTH_KEY']);
  const role = (
    name: string,
    main: string,
    schema: { shape: object },
    own: Record<string, string>,
    more: Pick<
      ProcessSpec,
      'ready' | 'alive' | 'silentMs' | 'sockets' | 'listeners' | 'overlaps' | 'takesTurns'
    >,
  ): ProcessSpec => ({
    name,
    command: process.execPath,
    args: [...ROLE_FLAGS, '--import', LEAVE_WITH_STARTER, path.join(ROOT, main), roleMark(dataDir)],
    env: {
      ...pick(environment, [...MACHINE, ...Object.keys(schema.shape).filter((key) => !isSecret(key))]),
      ...storage,
      ...secretsInFiles(credentialsFolder(dataDir), own),
      LOG_FORMAT: 'json', // what the starter shows, it formats itself
      NODE_COMPILE_CACHE: COMPILE_CACHE,
    },
    cwd: ROOT,
    role: true,
    ...more,
  });

  // In the order of start: they stop the other way round, so that whoever drains still has what it calls.
  return [
    ...runners.map((url, at) =>
      role(
        runnerName(at),
        'runner/main.ts',
        runnerEnv,
        {
          RUNNER_PORT: new URL(url).port,
          RUNNER_UI_PORT: String(ports.runnerUi),
          RUNNER_LISTEN_FD: String(FIRST_SOCKET),
          RUNNER_UI_LISTEN_FD: String(FIRST_SOCKET + 1),
          RUNNER_TAKES_TURNS: 'true',
          RUNNER_BASE_URL: url,
          DRAIN_NOTICE_MS: String(noticeMs),
          RUNNER_MEMORY_MB: memoryMb,
          GATEWAY_BASE_URL: gatewayInternal,
          RUNNER_SERVICE_TOKEN: secrets.tokens.gatewayToRunner,
          RUNNER_GATEWAY_TOKEN: secrets.tokens.runnerToGateway,
          ARTIFACT_SIGNING_PUBLIC_KEY: secrets.artifactSigning.publicKey,
          ARTIFACT_SIGNING_PREVIOUS_PUBLIC_KEYS: secrets.artifactSigning.previous.join(','),
          SECRETS_PRIVATE_KEY: secrets.secretsSealing.privateKey,
          RUNNER_METRICS_TOKEN: metricsToken,
          // A cache is one runner's.
          RUNNER_CACHE_DIR: `${environment['RUNNER_CACHE_DIR'] ?? path.join(dataDir, 'runner-cache')}${suffix(at)}`,
          // A developer's machine need not have bubblewrap; a runner that is not started by us demands it.
          SANDBOX_ISOLATION: environment['SANDBOX_ISOLATION'] || 'auto',
        },
        {
          ready: () => answersOk(`${url}/readyz`),
          alive: async () => (await answersOk(`${url}/healthz`)) && listens(runnerUi),
          // Two of them at one address would refuse what was sealed for the other.
          sockets: sockets.runners[at] ? [sockets.runners[at], sockets.runnerUi] : [],
          listeners: 1,
          takesTurns: true,
        },
      ),
    ),
    role(
      'gateway',
      'api/main.ts',
      gatewayEnv,
      {
        ...temporalEnv,
        DATABASE_URL: databaseUrl,
        GATEWAY_PORT: String(ports.gateway),
        GATEWAY_INTERNAL_PORT: String(ports.gatewayInternal),
        GATEWAY_LISTEN_FD: String(FIRST_SOCKET),
        GATEWAY_INTERNAL_LISTEN_FD: String(FIRST_SOCKET + 1),
        RUNNER_BASE_URL: runners.join(','),
        RUNNER_PUBLIC_BASE: runnerUi,
        EXECUTION_TOKEN_PRIVATE_KEY: secrets.executionToken.privateKey,
        HOST_TOKEN_PRIVATE_KEY: secrets.hostToken.privateKey,
        ...(uiProxyKey !== undefined && { UI_PROXY_AUTH_KEY: uiProxyKey }),
        RUNNER_SERVICE_TOKEN: secrets.tokens.gatewayToRunner,
        RUNNER_GATEWAY_TOKEN: secrets.tokens.runnerToGateway,
        WORKER_GATEWAY_TOKEN: secrets.tokens.workerToGateway,
        SECRETS_PUBLIC_KEY: secrets.secretsSealing.publicKey,
        ...(temporalUi && {
          TEMPORAL_UI_ORIGINS: temporalUi.origins.join(','),
          TEMPORAL_CODEC_CAPABILITY: temporalUi.capability,
        }),
      },
      {
        ready: () => answersOk(`${gateway}/readyz`),
        alive: async () => (await answersOk(`${gatewayInternal}/healthz`)) && answersOk(`${gateway}/healthz`),
        silentMs: Math.max(HEALTH.silentMs, drainMs(environment)),
        sockets: [sockets.gateway, sockets.gatewayInternal],
        listeners: 2,
        overlaps: true,
      },
    ),
    role(
      'lifecycle-worker',
      'workers/main.ts',
      lifecycleWorkerEnv,
      {
        ...temporalEnv,
        WORKER_KIND: 'lifecycle',
        DATABASE_URL: databaseUrl,
        GATEWAY_BASE_URL: gatewayInternal,
        WORKER_GATEWAY_TOKEN: secrets.tokens.workerToGateway,
        WORKFLOW_BUNDLE: workflowBundle,
      },
      // Of workflows, of which no task lasts: with a hundred activities under way it asks for no more of those.
      { ...watchPolls(temporal, LIFECYCLE_TASK_QUEUE, 'workflow'), overlaps: true },
    ),
    role(
      'precompile-worker',
      'workers/main.ts',
      precompileWorkerEnv,
      {
        ...temporalEnv,
        WORKER_KIND: 'precompile',
        ARTIFACT_SIGNING_PRIVATE_KEY: secrets.artifactSigning.privateKey,
        ARTIFACT_SIGNING_PREVIOUS_PUBLIC_KEYS: secrets.artifactSigning.previous.join(','),
      },
      {
        ...watchPolls(temporal, PRECOMPILE_TASK_QUEUE, 'activity'),
        silentMs: PRECOMPILE_SILENT_MS,
        overlaps: true,
      },
    ),
  ];
}

function storageEnv(environment: Environment, dataDir: string): Record<string, string> {
  const names = Object.keys(environment).filter(
    (name) => name.startsWith('STORAGE_') || name === 'BUNDLE_STORE_BASE',
  );
  const given = pick(environment, names);
  const secretFile = given['STORAGE_S3_SECRET_KEY_FILE'];
  if (secretFile !== undefined) given['STORAGE_S3_SECRET_KEY_FILE'] = path.resolve(secretFile);
  if (given['STORAGE_S3_ENDPOINT'] !== undefined) return given;
  const folder = path.resolve(given['STORAGE_FOLDER'] ?? path.join(dataDir, 'objects'));
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return { ...given, STORAGE_FOLDER: folder };
}

function pick(environment: Environment, names: readonly string[]): Record<string, string> {
  const pairs = names.map((name) => [name, environment[name]] as const);
  return Object.fromEntries(pairs.filter((pair): pair is [string, string] => pair[1] !== undefined));
}

/** How long a gateway that was told to stop may have no public listener; operator-guide.md says why. */
function drainMs(environment: Environment): number {
  const { EXT_GATEWAY_TIMEOUT_MS: longest } = parseEnvironment(
    gatewayEnv.pick({ EXT_GATEWAY_TIMEOUT_MS: true }),
    environment,
  );
  return 2 * (longest + 20_000);
}

async function answersOk(url: string): Promise<boolean> {
  return (await statusOf(url)) === 200;
}

async function listens(url: string): Promise<boolean> {
  return (await statusOf(url)) !== undefined;
}

async function statusOf(url: string): Promise<number | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return undefined; // not listening
  }
}
