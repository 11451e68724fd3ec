import { spawn } from 'node:child_process';
import { randomUUIDv7 } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Pool } from 'undici';
import { createApiClient } from '../core/api/client.ts';
import { listInstalls } from '../core/api/installs.ts';
import { readInstallConfig } from '../core/api/internal.ts';
import { decodeFrame, encodeFrame } from '../core/execute-frame.ts';
import {
  EXECUTE_FRAME_TYPE,
  executeRequest,
  runnerAnnouncement,
  type ExecuteRequest,
} from '../core/execute.ts';
import { SecretValue } from '../core/secret-value.ts';
import { openDatabase } from '../platform/db/database.ts';
import { createExecutionStore } from '../platform/db/executions.ts';
import { createFetchTransport } from '../platform/http/fetch-transport.ts';
import { readPrivateKey } from '../platform/tokens/ed25519.ts';
import { executionTokenKey, expiryOf, makeExecutionToken } from '../platform/tokens/execution-token.ts';
import { createSealer, requestKey } from '../platform/tokens/request-seal.ts';
import { measure, type Measurement } from './load.ts';
import { readLocalPlatform } from './local-platform.ts';

// Needs a running platform: `npm start`, then `npm run bench`. Every figure comes from this one run, so compare within it.

const CALLS = Number(process.argv[2] ?? 2000);
const dataDir = process.env['DATA_DIR'] ?? '.data';

interface Secrets {
  tokens: { gatewayToRunner: string; workerToGateway: string };
  executionToken: { privateKey: string };
}
const local = readLocalPlatform(dataDir);
const secrets = JSON.parse(readFileSync(join(dataDir, 'secrets.json'), 'utf8')) as Secrets;

interface Call {
  method: 'GET' | 'POST';
  path: string;
  headers: Record<string, string>;
  body?: Uint8Array;
}

function client(origin: string): { send(call: Call): Promise<Buffer>; close(): Promise<void> } {
  const pool = new Pool(origin, { connections: 64 });
  return {
    async send(call) {
      const { statusCode, body } = await pool.request({ ...call, body: call.body ?? null });
      const bytes = Buffer.from(await body.arrayBuffer());
      if (statusCode !== 200)
        throw new Error(`${call.method} ${call.path} answered ${statusCode}: ${bytes.toString('utf8')}`);
      return bytes;
    },
    close: () => pool.close(),
  };
}

async function startBareExpress(body: string): Promise<{ origin: string; stop(): void }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'bare-express.ts'), body], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const port = await new Promise<string>((resolve, reject) => {
    child
      .once('error', reject)
      .once('exit', () => reject(new Error('the bare Express server did not start')));
    child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString('utf8').trim()));
  });
  process.once('exit', () => child.kill());
  return { origin: `http://127.0.0.1:${port}`, stop: () => void child.kill() };
}

interface Handler {
  method: 'GET' | 'POST';
  path: (index: number) => string;
  body: Uint8Array;
}

/** Answers its body and writes a log line. */
const ECHO: Handler = { method: 'POST', path: () => '/echo', body: Buffer.from('{"hello":"there"}') };
/** Reads and writes a record as well; each name has its own, so that clients at once do not wait for each other's. */
const HELLO: Handler = {
  method: 'GET',
  path: (index) => `/hello/Ada-${index % 64}`,
  body: new Uint8Array(),
};

/** Host calls are for executions in flight alone; answers the id of one. */
async function beginExecution(hydrated: Hydrated, handler: Handler): Promise<string> {
  const executionId = randomUUIDv7();
  const { installId, extensionId, versionId, contentHash } = hydrated;
  await executions.begin(local.tenantId, {
    executionId,
    installId,
    extensionId,
    versionId,
    contentHash,
    requestId: 'bench',
    trigger: 'http',
    method: handler.method,
    path: handler.path(0),
    principal: 'bench',
    requestBytes: handler.body.byteLength,
  });
  begun.push(executionId);
  return executionId;
}

async function endExecutions(): Promise<void> {
  const end = { status: 'succeeded', httpStatus: 200, durationMs: 0, responseBytes: 0 } as const;
  for (const executionId of begun) await executions.end(local.tenantId, executionId, end);
}

/** What the gateway would send the runner for one call, with a token of its own. */
async function directCall(hydrated: Hydrated, handler: Handler, index: number): Promise<Call> {
  const request: ExecuteRequest = executeRequest.parse({
    context: {
      request_id: 'bench',
      execution_id: await beginExecution(hydrated, handler),
      tenant_id: local.tenantId,
      extension_id: hydrated.extensionId,
      install_id: hydrated.installId,
      version_id: hydrated.versionId,
      content_hash: hydrated.contentHash,
      config_version: hydrated.configVersion,
      trigger: 'http',
    },
    http: { method: handler.method, path: handler.path(index), query: '', headers: {} },
    limits: { timeout_ms: 60_000, memory_mb: 128, response_bytes: 1_000_000 },
    config: hydrated.config,
    providers: hydrated.providers,
  });
  const executionToken = makeExecutionToken(tokenKey, request, 1);
  const body = Buffer.concat(encodeFrame(request, handler.body));
  const covered = { path: '/v1/execute', contentType: EXECUTE_FRAME_TYPE, executionToken };
  return {
    method: 'POST',
    path: covered.path,
    headers: {
      'x-execution-token': executionToken,
      'content-type': covered.contentType,
      ...seal({ ...covered, epoch, body, expiresAt: expiryOf(request.limits.timeout_ms) }),
    },
    body,
  };
}

type Hydrated = Awaited<ReturnType<typeof hydrate>>;

/** The example's install, and what an execution of it needs to know. */
async function hydrate() {
  const as = (token: string) =>
    createApiClient(
      createFetchTransport({ baseUrl: local.gateway, token: new SecretValue(token), timeoutMs: 10_000 }),
    );
  const { items } = (await as(local.keys.user)(listInstalls, {})).body;
  const hello = items.find(({ extension }) => extension === 'alga.hello');
  if (!hello) throw new Error('alga.hello is not installed; start the platform once with its example');
  const { extensionId, installId } = hello;
  const body = { tenantId: local.tenantId, installId };
  const config = await as(secrets.tokens.workerToGateway)(readInstallConfig, { body });
  return { extensionId, installId, ...config.body };
}

async function bothLoads(
  prepare: () => Promise<(index: number) => Promise<void>>,
): Promise<{ alone: Measurement; crowd: Measurement }> {
  await measure(await prepare(), { calls: Math.min(CALLS, 300), clients: 4 });
  const alone = await measure(await prepare(), { calls: CALLS, clients: 1 });
  const crowd = await measure(await prepare(), { calls: CALLS, clients: 16 });
  return { alone, crowd };
}

const db = openDatabase({ url: new SecretValue(local.databaseUrl), poolMax: 4 });
const executions = createExecutionStore(db);
const begun: string[] = [];
const gateway = client(local.gateway);
const runner = client(local.runner);
const hydrated = await hydrate();
const tokenKey = executionTokenKey(readPrivateKey(secrets.executionToken.privateKey));
const seal = createSealer(requestKey(new SecretValue(secrets.tokens.gatewayToRunner), local.runner));
const announced = await (await fetch(`${local.runner}/readyz`)).json();
const { seal_epoch: epoch = '' } = runnerAnnouncement.parse(announced);

const through = ({ method, path, body }: Handler, index: number): Call => ({
  method,
  path: `/api/ext/alga.hello${path(index)}`,
  headers: { authorization: `Bearer ${local.keys.user}`, 'content-type': 'application/json' },
  ...(body.byteLength > 0 && { body }),
});
const answer = await gateway.send(through(HELLO, 0));
const bare = await startBareExpress(answer.toString('utf8'));
const express = client(bare.origin);

const runnerAlone = (handler: Handler) => async (): Promise<(index: number) => Promise<void>> => {
  const calls = await Promise.all(
    Array.from({ length: CALLS }, (_, index) => directCall(hydrated, handler, index)),
  );
  return async (index) => {
    const call = calls[index];
    const frame = call && decodeFrame(await runner.send(call));
    const head = frame?.head as { error?: unknown } | undefined;
    if (!head || head.error) throw new Error(`the guest failed: ${JSON.stringify(head?.error)}`);
  };
};
const wholePath = (handler: Handler) => (): Promise<(index: number) => Promise<void>> =>
  Promise.resolve(async (index) => {
    await gateway.send(through(handler, index));
  });

const rows = {
  'bare Express route': await bothLoads(() =>
    Promise.resolve(async () => {
      await express.send({ method: 'GET', path: '/hello/Ada', headers: {} });
    }),
  ),
  'runner alone, echo': await bothLoads(runnerAlone(ECHO)),
  'whole path, echo': await bothLoads(wholePath(ECHO)),
  'runner alone, a record read and written': await bothLoads(runnerAlone(HELLO)),
  'whole path, a record read and written': await bothLoads(wholePath(HELLO)),
};

const base = rows['bare Express route'];
console.table(
  Object.fromEntries(
    Object.entries(rows).map(([name, { alone, crowd }]) => [
      name,
      {
        'p50 ms, 1 client': alone.p50.toFixed(2),
        'p99 ms, 1 client': alone.p99.toFixed(2),
        'calls/s, 16 clients': crowd.perSecond.toFixed(0),
        'p50 against Express': `${(alone.p50 / base.alone.p50).toFixed(1)}×`,
        'calls/s against Express': `${(crowd.perSecond / base.crowd.perSecond).toFixed(2)}×`,
      },
    ]),
  ),
);

await endExecutions();
await Promise.all([gateway.close(), runner.close(), express.close(), db.destroy()]);
bare.stop();
