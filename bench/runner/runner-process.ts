import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, generateKeyPairSync, randomBytes, randomUUID, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { readBundleTrust, readUiInstall, type BundleTrust, type UiInstall } from '../../core/api/internal.ts';
import { ARTIFACT_TARGET } from '../../core/artifact-target.ts';
import { EXECUTE_FRAME_TYPE, runnerAnnouncement, type SentExecuteRequest } from '../../core/execute.ts';
import { encodeFrame } from '../../core/execute-frame.ts';
import { SecretValue } from '../../core/secret-value.ts';
import { packTarZst, type PackEntry } from '../../platform/bundle/pack.ts';
import { packArtifact, type PrecompiledArtifact } from '../../platform/component/artifact.ts';
import { signArtifact, statementDigest } from '../../platform/component/artifact-signature.ts';
import { createHttpServer, type HttpServer } from '../../platform/http/http-server.ts';
import { createFolderObjectStore } from '../../platform/objects/folder-object-store.ts';
import { createObjectKeys } from '../../platform/objects/keys.ts';
import { generateSecretsKeyPair } from '../../platform/secrets/sealing-suite.ts';
import { createSealer, requestKey } from '../../platform/tokens/request-seal.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'runner', 'main.ts');
const AUDIENCE = 'http://runner.bench';
const SERVICE_TOKEN = 'bench-service-token';
const KEYS = createObjectKeys('sha256/');
/** Every bundle is one of a platform that trusts no key. */
const UNSIGNED: BundleTrust = {
  trust: { policy: 'optional', threshold: 1, keys: [] },
  bundle: { publisher: 'bench', signatures: [] },
};
const NO_CSP: UiInstall = { entry: 'index.html', csp: {} };

/** What calls are made for. */
export interface Caller {
  tenantId: string;
  installId: string;
  contentHash: string;
  /** Config of the install. */
  config?: Record<string, string>;
}

export interface RunnerProcess {
  pid: number;
  port: number;
  uiPort: number;
  /** Requests to execute, sealed as a gateway does, ready to be written to a connection; each serves once. */
  requests(count: number, caller: Caller, options?: { url?: string; timeoutMs?: number }): Buffer[];
  stop(): Promise<void>;
}

/** Objects, cache and keys that runners are started on, and the gateway they ask. */
export interface Field {
  /** Starts the runner that production runs, in a process of its own. */
  start(env?: Record<string, string>): Promise<RunnerProcess>;
  /** The same component as often as asked for, each time under another hash, as bundles have whose bytes differ elsewhere. */
  publish(artifact: PrecompiledArtifact, hashes?: number): Promise<string[]>;
  /** Answers the hash of a bundle with a UI. */
  publishUi(files: readonly PackEntry[]): Promise<string>;
  close(): Promise<void>;
}

export async function createField(): Promise<Field> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-runner-'));
  const signing = generateKeyPairSync('ed25519');
  const objects = createFolderObjectStore({ folder: join(folder, 'objects') });
  const gateway = createUiGateway();
  const gatewayPort = await gateway.listen({ host: '127.0.0.1', port: 0 });
  const environment = {
    LOG_FORMAT: 'json',
    RUNNER_PORT: '0',
    RUNNER_UI_PORT: '0',
    RUNNER_BASE_URL: AUDIENCE,
    GATEWAY_BASE_URL: `http://127.0.0.1:${gatewayPort}`,
    RUNNER_SERVICE_TOKEN: SERVICE_TOKEN,
    RUNNER_GATEWAY_TOKEN: 'bench-gateway-token',
    ARTIFACT_SIGNING_PUBLIC_KEY: spki(signing.publicKey),
    SECRETS_PRIVATE_KEY: generateSecretsKeyPair().privateKey.reveal(),
    STORAGE_FOLDER: join(folder, 'objects'),
    RUNNER_CACHE_DIR: join(folder, 'cache'),
    SANDBOX_ISOLATION: 'auto',
  };
  return {
    start: (env = {}) => startRunner({ PATH: process.env['PATH'] ?? '', ...environment, ...env }),
    async publish(artifact, hashes = 1) {
      const published: string[] = [];
      for (let left = hashes; left > 0; left -= 1) {
        const contentHash = `sha256:${randomBytes(32).toString('hex')}`;
        const target = ARTIFACT_TARGET;
        const { bytes, sha256 } = await packArtifact({ ...artifact, contentHash, target });
        const facts = { contentHash, target, sha256 };
        const { keyId, envelope } = signArtifact(signing.privateKey, facts);
        await objects.put(KEYS.artifact(contentHash, target), bytes);
        await objects.put(KEYS.signature(contentHash, statementDigest(facts, keyId)), Buffer.from(envelope));
        published.push(contentHash);
      }
      return published;
    },
    async publishUi(files) {
      const bytes = await packTarZst(files);
      const contentHash = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
      await objects.put(KEYS.bundle(contentHash), bytes);
      return contentHash;
    },
    async close() {
      await gateway.close(0);
      await rm(folder, { recursive: true });
    },
  };
}

/** Every UI is served; no guest here calls the host. */
function createUiGateway(): HttpServer {
  return createHttpServer((req, res) => {
    if (req.url?.startsWith(readBundleTrust.path)) return void res.end(JSON.stringify(UNSIGNED));
    const isUi = req.url?.startsWith(readUiInstall.path) === true;
    res.writeHead(isUi ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(NO_CSP));
  });
}

async function startRunner(env: Record<string, string>): Promise<RunnerProcess> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  const { port, uiPort } = await listening(child);
  const readyz = await (await fetch(`http://127.0.0.1:${port}/readyz`)).json();
  const { seal_epoch: epoch = '' } = runnerAnnouncement.parse(readyz);
  const seal = createSealer(requestKey(new SecretValue(SERVICE_TOKEN), AUDIENCE));
  return {
    pid: child.pid ?? Number.NaN,
    port,
    uiPort,
    requests: (count, caller, { url = '/echo', timeoutMs = 60_000 } = {}) =>
      Array.from({ length: count }, () => {
        const body = Buffer.concat(
          encodeFrame(requestOf(caller, url, timeoutMs), Buffer.from('{"greeting":"hello"}')),
        );
        const covered = {
          path: '/v1/execute',
          contentType: EXECUTE_FRAME_TYPE,
          executionToken: `m1.${'t'.repeat(400)}.${'m'.repeat(43)}`,
        };
        return httpRequest(body, {
          'content-type': covered.contentType,
          'x-execution-token': covered.executionToken,
          ...seal({ ...covered, epoch, body, expiresAt: Date.now() + 600_000 }),
        });
      }),
    async stop() {
      const ended = once(child, 'exit');
      kill();
      await ended;
    },
  };
}

interface Line {
  level: string;
  /** Of what guests say. */
  stream?: string;
  msg: string;
  port: number;
  uiPort: number;
}

async function listening(child: ChildProcess): Promise<{ port: number; uiPort: number }> {
  if (!child.stdout) throw new Error('the runner has no output');
  const lines = createInterface({ input: child.stdout });
  const said: string[] = [];
  return new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error(`the runner did not start:\n${said.join('\n')}`)));
    lines.on('line', (line) => {
      const { level, stream, ...entry } = JSON.parse(line) as Line;
      if (entry.msg === 'runner listens') resolve(entry);
      else if (level !== 'info' && stream !== 'guest') console.log(line);
      if (said.length < 100) said.push(line);
    });
  });
}

function requestOf(caller: Caller, url: string, timeoutMs: number): SentExecuteRequest {
  return {
    context: {
      request_id: randomUUID(),
      execution_id: randomUUID(),
      tenant_id: caller.tenantId,
      extension_id: '00000000-0000-4000-8000-0000000000e1',
      install_id: caller.installId,
      version_id: '00000000-0000-4000-8000-0000000000d1',
      content_hash: caller.contentHash,
      config_version: 1,
      trigger: 'http',
    },
    http: { method: 'POST', path: url, query: '', headers: { 'content-type': 'application/json' } },
    limits: { timeout_ms: timeoutMs, memory_mb: 64, response_bytes: 1_000_000 },
    config: caller.config ?? {},
    providers: [
      { capability: 'config.read', scope: {} },
      { capability: 'storage.kv', scope: { namespaces: ['counters'] } },
    ],
  };
}

function httpRequest(body: Uint8Array, headers: Record<string, string>): Buffer {
  const head = ['POST /v1/execute HTTP/1.1', 'host: runner.bench', `content-length: ${body.byteLength}`];
  for (const [name, value] of Object.entries(headers)) head.push(`${name}: ${value}`);
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]);
}

function spki(key: KeyObject): string {
  return key.export({ format: 'der', type: 'spki' }).toString('base64');
}
