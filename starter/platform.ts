import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createApiClient } from '../core/api/client.ts';
import { SecretValue } from '../core/secret-value.ts';
import { isDatabaseAway } from '../platform/db/database.ts';
import { createFetchTransport } from '../platform/http/fetch-transport.ts';
import { buildWorkflows } from '../scripts/build-workflows.ts';
import { exampleAddress, findExample, packExample, publishAndInstall } from './first-extension.ts';
import type { LocalFile } from './local-file.ts';
import type { Output } from './output.ts';
import { choosePorts } from './ports.ts';
import type { Supervised, Supervisor } from './processes/supervisor.ts';
import { holdSocket, type HeldSocket } from './processes/held-sockets.ts';
import { createRoleSpecs, type RoleSockets } from './roles.ts';
import { loadLocalSecrets, type LocalSecrets } from './secrets-file.ts';
import { prepareDatabase } from './seed.ts';
import { startPostgres } from './services/postgres.ts';
import type { TemporalServer } from '../platform/temporal/server.ts';
import { findTemporalCli } from './services/temporal-cli.ts';
import { prepareTemporal, startTemporal } from './services/temporal-server.ts';
import { DEFAULT_PORTS, type StarterConfig } from './config.ts';
import { whileAway } from './while-away.ts';

/** Twice as long as the gateway lets a client wait. */
const CALL_TIMEOUT_MS = 120_000;

export interface StartOptions {
  config: StarterConfig;
  supervisor: Supervisor;
  output: Output;
  signal: AbortSignal;
}

export interface StartedPlatform {
  local: Omit<LocalFile, 'pid' | 'identity' | 'processes'>;
  /** Pids by name, as of now. */
  processes: () => LocalFile['processes'];
  roles: readonly Supervised[];
  /** The example, if it is installed. */
  example?: { address: string; page?: string };
}

type Ports = Record<keyof typeof DEFAULT_PORTS, number>;
interface Process {
  name: string;
  pid: () => number | undefined;
}

/** Brings everything up, in parallel where one does not need the other. What it started is the supervisor's to stop. */
export async function startPlatform(options: StartOptions): Promise<StartedPlatform> {
  const { config, supervisor, output } = options;
  const { log, during } = output;
  const { dataDir, environment } = config;
  const secrets = loadLocalSecrets(path.join(dataDir, 'secrets.json'), log);
  const ports = await choosePorts(portWishes(config), log);
  const exampleMark = path.join(dataDir, 'example-installed');
  const firstStart = !existsSync(exampleMark);
  const address = await exampleAddress();

  const [database, temporal, workflows] = await Promise.all([
    during('starting PostgreSQL', () => provideDatabase(options, secrets, ports)),
    during('starting Temporal', () => provideTemporal(options, ports)),
    during('bundling the workflows', () => buildWorkflows(log)),
  ]);
  // Not beside the rest: compiling holds this thread for seconds, and connections that are being made would run out of their time.
  const bundle = firstStart
    ? await during('building the example', () => packExample(path.join(dataDir, 'built-examples'), log))
    : undefined;

  const sockets = await holdSockets(config, ports);
  const roles: Supervised[] = await Promise.all(
    createRoleSpecs({
      environment,
      dataDir,
      secrets,
      addresses: {
        databaseUrl: database.url,
        temporal: temporal.connection,
        temporalUi: temporal.codec,
        ports: {
          gateway: ports.GATEWAY_PORT,
          gatewayInternal: ports.GATEWAY_INTERNAL_PORT,
          runners: sockets.runners.map((socket) => socket.address().port),
          runnerUi: ports.RUNNER_UI_PORT,
        },
      },
      sockets,
      workflowBundle: workflows.file,
    }).map((spec) => during(`starting the ${spec.name}`, () => supervisor.start(spec))),
  );

  const gateway = `http://127.0.0.1:${ports.GATEWAY_PORT}`;
  const token = new SecretValue(secrets.apiKeys.admin);
  const call = createApiClient(createFetchTransport({ baseUrl: gateway, token, timeoutMs: CALL_TIMEOUT_MS }));
  if (bundle) {
    const installing = (): Promise<boolean> => publishAndInstall(call, address, bundle);
    if (await during('publishing and installing the example', installing))
      writeFileSync(exampleMark, `${address}\n`);
    else log('the example is not published: this platform asks for signatures, and nobody signed it');
  }
  const example = await findExample(call, address);
  const processes: Process[] = [...database.processes, ...temporal.processes, ...roles];
  return {
    local: {
      gateway,
      gatewayInternal: `http://127.0.0.1:${ports.GATEWAY_INTERNAL_PORT}`,
      runner: `http://127.0.0.1:${ports.RUNNER_PORT}`,
      ui: `http://127.0.0.1:${ports.RUNNER_UI_PORT}`,
      temporal: {
        address: temporal.connection.address,
        namespace: temporal.connection.namespace,
        ...(temporal.ui !== undefined && { ui: temporal.ui }),
      },
      databaseUrl: database.url,
      tenantId: secrets.tenantId,
      keys: secrets.apiKeys,
    },
    processes: () => Object.fromEntries(processes.map((one) => [one.name, one.pid() ?? 0])),
    roles,
    ...(example && { example }),
  };
}

/** From here on nobody is refused at these addresses while a role is replaced. */
async function holdSockets({ environment, runners }: StarterConfig, ports: Ports): Promise<RoleSockets> {
  const hold = (name: string, port: number): Promise<HeldSocket> =>
    holdSocket(environment[`${name}_HOST`] ?? '127.0.0.1', port);
  return {
    gateway: await hold('GATEWAY', ports.GATEWAY_PORT),
    gatewayInternal: await hold('GATEWAY_INTERNAL', ports.GATEWAY_INTERNAL_PORT),
    runnerUi: await hold('RUNNER_UI', ports.RUNNER_UI_PORT),
    runners: await Promise.all(
      Array.from({ length: runners }, (_, at) => hold('RUNNER', at === 0 ? ports.RUNNER_PORT : 0)),
    ),
  };
}

function portWishes({
  ports,
  databaseUrl,
  temporal,
}: StarterConfig): Parameters<typeof choosePorts<keyof Ports>>[0] {
  const names = Object.keys(DEFAULT_PORTS) as (keyof Ports)[];
  // A service of somebody else's needs no port here, so its number is no reason to complain.
  const unused = (name: keyof Ports): boolean =>
    (databaseUrl !== undefined && name === 'POSTGRES_PORT') ||
    (temporal.server !== undefined && name.startsWith('TEMPORAL'));
  const wish = (name: keyof Ports) =>
    unused(name)
      ? { name, explicit: undefined, preferred: undefined }
      : { name, explicit: ports[name], preferred: DEFAULT_PORTS[name] };
  return Object.fromEntries(names.map((name) => [name, wish(name)])) as Record<
    keyof Ports,
    ReturnType<typeof wish>
  >;
}

async function provideDatabase(
  { config, supervisor, output: { log } }: StartOptions,
  secrets: LocalSecrets,
  ports: Ports,
): Promise<{ url: string; processes: Process[] }> {
  const given = config.databaseUrl;
  if (given !== undefined) {
    await prepareDatabase(given, secrets, log);
    return { url: given, processes: [] };
  }
  const server = await startPostgres({
    dataDir: path.join(config.dataDir, 'postgres'),
    password: secrets.postgresPassword,
    port: ports.POSTGRES_PORT,
    supervisor,
    log,
  });
  await whileAway(() => prepareDatabase(server.url, secrets, log), isDatabaseAway);
  return { url: server.url, processes: [{ name: 'postgres', pid: server.pid }] };
}

async function provideTemporal(
  { config, supervisor, output: { log, during }, signal }: StartOptions,
  ports: Ports,
): Promise<{
  connection: TemporalServer & { namespace: string };
  ui: string | undefined;
  codec?: { origins: string[]; capability: string };
  processes: Process[];
}> {
  const { server: given, namespace, ui } = config.temporal;
  if (given !== undefined) {
    const advice = await prepareTemporal(given, namespace);
    if (advice !== undefined) log(advice);
    return { connection: { ...given, namespace }, ui, processes: [] };
  }
  const cli = await findTemporalCli({ environment: config.environment, log, during, signal });
  const dataDir = path.join(config.dataDir, 'temporal');
  // Of this start alone: the UI tells it to whoever asks on this machine, who could ask Temporal for everything as well.
  const capability = randomBytes(32).toString('base64url');
  const server = await startTemporal({
    cli,
    dataDir,
    namespace,
    port: ports.TEMPORAL_PORT,
    uiPort: ports.TEMPORAL_UI_PORT,
    codecEndpoint: `http://127.0.0.1:${ports.GATEWAY_INTERNAL_PORT}/api/temporal/${capability}`,
    supervisor,
  });
  return {
    connection: { address: server.address, namespace },
    ui: server.ui,
    codec: {
      origins: ['127.0.0.1', 'localhost'].map((host) => `http://${host}:${ports.TEMPORAL_UI_PORT}`),
      capability,
    },
    processes: [{ name: 'temporal', pid: server.pid }],
  };
}
