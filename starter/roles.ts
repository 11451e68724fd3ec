import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { LIFECYCLE_TASK_QUEUE, PRECOMPILE_TASK_QUEUE } from '../core/ids.ts';
import { parseEnvironment, withSecretFiles, type Environment } from '../platform/config/environment.ts';
import { gatewayEnv } from '../platform/config/gateway.ts';
import { runnerEnv } from '../platform/config/runner.ts';
import { lifecycleWorkerEnv, precompileWorkerEnv } from '../platform/config/worker.ts';
import { COMPILE_CACHE } from '../scripts/compile-cache.ts';
import { isSecret, secretsInFiles } from './credentials.ts';
import { HEALTH } from './processes/health.ts';
import type { ProcessSpec } from './processes/supervisor.ts';
import type { LocalSecrets } from './secrets-file.ts';
import { workerPolls } from './services/temporal-server.ts';

/** Where everything listens. */
export interface Addresses {
  databaseUrl: string;
  temporal: { address: string; namespace: string };
  /** Of the UI that was started here, and what opens the codec endpoint to it. */
  temporalUi?: { origins: readonly string[]; capability: string } | undefined;
  ports: { gateway: number; gatewayInternal: number; runner: number; runnerUi: number };
}

export interface RolesOptions {
  /** What the person who starts set; each role gets of it only what its own schema names, and the object store's keys as they were given. */
  environment: Environment;
  dataDir: string;
  secrets: LocalSecrets;
  addresses: Addresses;
  workflowBundle: string;
}

const ROOT = path.resolve(import.meta.dirname, '..');
const LEAVE_WITH_STARTER = path.join(import.meta.dirname, 'leave-with-starter.ts');
/** As many threads for V8's background work as there are cores beside the main thread's: Node takes four, and with fewer cores they hold the main thread up. */
const ROLE_FLAGS = ['--v8-pool-size=0'];
/** Of the machine, not of us: where temporary files go, which certificates and time zone hold. */
const MACHINE = ['PATH', 'HOME', 'TMPDIR', 'TZ', 'LANG', 'NODE_EXTRA_CA_CERTS'];

/** The argument by which a role of this data folder is known; no role reads it. */
export function roleMark(dataDir: string): string {
  return `--data-dir=${dataDir}`;
}

/** Holds what the roles are handed, while they run. */
export function credentialsFolder(dataDir: string): string {
  return path.join(dataDir, 'credentials');
}

/** The four processes of the platform. The runner's has no database and no Temporal in it. */
export function createRoleSpecs(options: RolesOptions): ProcessSpec[] {
  const { environment, dataDir, secrets, addresses, workflowBundle } = options;
  const { databaseUrl, temporal, temporalUi, ports } = addresses;
  const gateway = `http://127.0.0.1:${ports.gateway}`;
  const gatewayInternal = `http://127.0.0.1:${ports.gatewayInternal}`;
  const runner = `http://127.0.0.1:${ports.runner}`;
  const runnerUi = `http://127.0.0.1:${ports.runnerUi}`;
  const temporalEnv = {
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
    PAYLOAD_CODEC_KEY: secrets.payloadCodecKey,
    PAYLOAD_CODEC_PREVIOUS_KEYS: secrets.previousPayloadCodecKeys.join(','),
  };
  const storage = storageEnv(environment, dataDir);
  // The one secret that is a person's to choose.
  const { RUNNER_METRICS_TOKEN: metricsToken = secrets.tokens.metrics } = withSecretFiles(environment, [
    'RUNNER_METRICS_TOKEN',
  ]);
  const role = (
    name: string,
    main: string,
    schema: { shape: object },
    own: Record<string, string>,
    health: Pick<ProcessSpec, 'ready' | 'alive' | 'silentMs'>,
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
    ...health,
  });

  // In the order of start: they stop the other way round, so that whoever drains still has what it calls.
  return [
    role(
      'runner',
      'runner/main.ts',
      runnerEnv,
      {
        RUNNER_PORT: String(ports.runner),
        RUNNER_UI_PORT: String(ports.runnerUi),
        RUNNER_BASE_URL: runner,
        GATEWAY_BASE_URL: gatewayInternal,
        RUNNER_SERVICE_TOKEN: secrets.tokens.gatewayToRunner,
        RUNNER_GATEWAY_TOKEN: secrets.tokens.runnerToGateway,
        ARTIFACT_SIGNING_PUBLIC_KEY: secrets.artifactSigning.publicKey,
        ARTIFACT_SIGNING_PREVIOUS_PUBLIC_KEYS: secrets.artifactSigning.previous.join(','),
        SECRETS_PRIVATE_KEY: secrets.secretsSealing.privateKey,
        RUNNER_METRICS_TOKEN: metricsToken,
        RUNNER_CACHE_DIR: environment['RUNNER_CACHE_DIR'] ?? path.join(dataDir, 'runner-cache'),
        // A developer's machine need not have bubblewrap; a runner that is not started by us demands it.
        SANDBOX_ISOLATION: environment['SANDBOX_ISOLATION'] || 'auto',
      },
      {
        ready: () => answersOk(`${runner}/readyz`),
        alive: async () => (await answersOk(`${runner}/healthz`)) && listens(runnerUi),
      },
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
        RUNNER_BASE_URL: runner,
        RUNNER_PUBLIC_BASE: runnerUi,
        EXECUTION_TOKEN_PRIVATE_KEY: secrets.executionToken.privateKey,
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
      { ready: (pid) => workerPolls(temporal, LIFECYCLE_TASK_QUEUE, pid) },
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
      { ready: (pid) => workerPolls(temporal, PRECOMPILE_TASK_QUEUE, pid) },
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
