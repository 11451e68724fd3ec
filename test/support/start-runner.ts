import { generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { readBundleTrust, type BundleTrust } from '../../core/api/internal.ts';
import { HOST_FRAME_TYPE } from '../../core/api/host-storage.ts';
import { ARTIFACT_TARGET } from '../../core/artifact-target.ts';
import type { CapabilityName, CapabilityScope } from '../../core/capabilities.ts';
import {
  EXECUTE_FRAME_TYPE,
  runnerAnnouncement,
  type ExecuteRequest,
  type ExecuteResponse,
  type RunnerAnnouncement,
  type SentExecuteRequest,
  type WarmRequest,
} from '../../core/execute.ts';
import { decodeFrame, encodeFrame } from '../../core/execute-frame.ts';
import { SecretValue } from '../../core/secret-value.ts';
import { packArtifact, sha256Hex, type PrecompiledArtifact } from '../../platform/component/artifact.ts';
import { signArtifact, statementDigest } from '../../platform/component/artifact-signature.ts';
import { loadRunnerConfig } from '../../platform/config/runner.ts';
import { createHttpServer } from '../../platform/http/http-server.ts';
import { createLogger } from '../../platform/logger.ts';
import { createFolderObjectStore } from '../../platform/objects/folder-object-store.ts';
import { createObjectKeys } from '../../platform/objects/keys.ts';
import type { ObjectStore } from '../../platform/objects/object-store.ts';
import { generateSecretsKeyPair } from '../../platform/secrets/sealing-suite.ts';
import { createSealer, requestKey } from '../../platform/tokens/request-seal.ts';
import { createRunner } from '../../runner/runner.ts';
import type { Isolation } from '../../runner/sandbox/process.ts';

const AUDIENCE = 'http://runner.test';
const KEYS = createObjectKeys('sha256/');
/** As long as the digits of a hash. */
const MARK = 'feedc0de'.repeat(8);

export interface ExecuteOptions {
  tenantId?: string;
  contentHash: string;
  url?: string;
  method?: string;
  body?: Uint8Array;
  grants?: Partial<Record<CapabilityName, CapabilityScope>>;
  limits?: Partial<ExecuteRequest['limits']>;
  /** In which form it is sent, where that is not ours. */
  form?: (request: ExecuteRequest) => SentExecuteRequest;
}

export interface Execution {
  /** Of the runner; 200 whenever the body speaks about the guest. */
  httpStatus: number;
  head: ExecuteResponse & { code?: string };
  body: string;
}

export interface TestRunner {
  objects: ObjectStore;
  /** Of its private listener. */
  port: number;
  /** Lines of the runner's log. */
  log: Record<string, unknown>[];
  publish(artifact: PrecompiledArtifact): Promise<void>;
  /** As often as asked for, each time under another hash and with core modules of other bytes; answers the hashes. */
  publishCopies(artifact: PrecompiledArtifact, count: number): Promise<string[]>;
  execute(options: ExecuteOptions): Promise<Execution>;
  /** What it tells at /metrics, by name and labels as they are written there. */
  metrics(): Promise<Record<string, number>>;
  /** What it says of itself at /readyz. */
  announcement(): Promise<RunnerAnnouncement>;
  warm(
    tenantId: string,
    contentHash: string,
    limits?: WarmRequest['limits'],
  ): Promise<{ status: number; body: { code?: string; loaded?: boolean } }>;
  close(): Promise<void>;
}

/** Fewer sandboxes and places than a runner has by default, so that tests meet their bounds soon. */
const SMALL = { SANDBOX_MAX: '8', RUNNER_TENANT_CONCURRENCY: '8' };

/** The real runner with real sandboxes, in this process, and a gateway that keeps records by token. `settings` complete what it needs. */
export async function startRunner(
  isolation: 'auto' | Isolation = 'auto',
  settings: Readonly<Record<string, string>> = SMALL,
): Promise<TestRunner> {
  const folder = await mkdtemp(join(tmpdir(), 'runner-'));
  const signing = generateKeyPairSync('ed25519');
  const log: Record<string, unknown>[] = [];
  const logger = createLogger(
    { level: 'debug', process: 'runner' },
    { write: (line: string) => void log.push(JSON.parse(line) as Record<string, unknown>) },
  );
  const gateway = createHttpServer(createStorageGateway());
  const gatewayPort = await gateway.listen({ host: '127.0.0.1', port: 0 });
  const objects = createFolderObjectStore({ folder: join(folder, 'objects') });
  const config = loadRunnerConfig({
    RUNNER_PORT: '0',
    RUNNER_UI_PORT: '0',
    RUNNER_BASE_URL: AUDIENCE,
    GATEWAY_BASE_URL: `http://127.0.0.1:${gatewayPort}`,
    RUNNER_SERVICE_TOKEN: 'service',
    RUNNER_GATEWAY_TOKEN: 'runner-token',
    ARTIFACT_SIGNING_PUBLIC_KEY: spki(signing.publicKey),
    SECRETS_PRIVATE_KEY: generateSecretsKeyPair().privateKey.reveal(),
    STORAGE_FOLDER: join(folder, 'objects'),
    RUNNER_CACHE_DIR: join(folder, 'cache'),
    SANDBOX_ISOLATION: isolation,
    RUNNER_METRICS_TOKEN: 'metrics',
    ...settings,
  });
  const runner = await createRunner(config, logger);
  const { port } = await runner.start();
  const base = `http://127.0.0.1:${port}`;
  const seal = createSealer(requestKey(new SecretValue('service'), AUDIENCE));
  const announcement = async (): Promise<RunnerAnnouncement> =>
    runnerAnnouncement.parse(await (await fetch(`${base}/readyz`)).json());
  const { seal_epoch: epoch = '' } = await announcement();
  const post = (path: string, contentType: string, body: string | Buffer<ArrayBuffer>) => {
    const executionToken = 'of the gateway';
    const expiresAt = Date.now() + 60_000;
    return fetch(`${base}${path}`, {
      method: 'POST',
      headers: {
        'content-type': contentType,
        'x-execution-token': executionToken,
        ...seal({ path, contentType, executionToken, epoch, body, expiresAt }),
      },
      body,
    });
  };

  const store = async (contentHash: string, bytes: Uint8Array): Promise<void> => {
    const facts = { contentHash, target: ARTIFACT_TARGET, sha256: sha256Hex(bytes) };
    const { keyId, envelope } = signArtifact(signing.privateKey, facts);
    await objects.put(KEYS.artifact(contentHash, ARTIFACT_TARGET), bytes);
    await objects.put(KEYS.signature(contentHash, statementDigest(facts, keyId)), Buffer.from(envelope));
  };

  return {
    objects,
    port,
    log,
    async publish(artifact) {
      const { bytes } = await packArtifact({ ...artifact, target: ARTIFACT_TARGET });
      await store(artifact.contentHash, bytes);
    },
    async publishCopies(artifact, count) {
      const { bytes } = await packArtifact(markedArtifact(artifact));
      // To compress it as hard for each would take seconds.
      const archive = zstdDecompressSync(bytes).toString('latin1');
      const hashes: string[] = [];
      for (let number = 0; number < count; number += 1) {
        const mark = number.toString(16).padStart(MARK.length, '0');
        await store(
          `sha256:${mark}`,
          zstdCompressSync(Buffer.from(archive.replaceAll(MARK, mark), 'latin1')),
        );
        hashes.push(`sha256:${mark}`);
      }
      return hashes;
    },
    async execute(options) {
      const request = (options.form ?? ((ours) => ours))(executeRequest(options));
      const frame = Buffer.concat(encodeFrame(request, options.body ?? new Uint8Array()));
      const response = await post('/v1/execute', EXECUTE_FRAME_TYPE, frame);
      const bytes = new Uint8Array(await response.arrayBuffer());
      if (response.status !== 200) {
        const problem = JSON.parse(Buffer.from(bytes).toString()) as Execution['head'];
        return { httpStatus: response.status, head: problem, body: '' };
      }
      const answer = decodeFrame(bytes);
      return {
        httpStatus: 200,
        head: answer?.head as Execution['head'],
        body: Buffer.from(answer?.body ?? []).toString(),
      };
    },
    async metrics() {
      const headers = { authorization: 'Bearer metrics' };
      const text = await (await fetch(`${base}/metrics`, { headers })).text();
      const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
      return Object.fromEntries(
        lines.map((line) => {
          const end = line.lastIndexOf(' ');
          return [line.slice(0, end), Number(line.slice(end + 1))];
        }),
      );
    },
    announcement,
    async warm(tenantId, contentHash, limits) {
      const body = JSON.stringify({ tenant_id: tenantId, content_hash: contentHash, limits });
      const response = await post('/v1/warm', 'application/json', body);
      return { status: response.status, body: (await response.json()) as { code?: string } };
    },
    async close() {
      await runner.close();
      await gateway.close(0);
      await rm(folder, { recursive: true });
    },
  };
}

/** Every bundle is one of a platform that trusts no key. */
const UNSIGNED: BundleTrust = {
  trust: { policy: 'optional', threshold: 1, keys: [] },
  bundle: { publisher: 'acme', signatures: [] },
};

/** Under a hash, and with a custom section in each module, that are to be replaced. */
function markedArtifact({ coreModules, ...artifact }: PrecompiledArtifact) {
  const section = Buffer.concat([Buffer.from([0, MARK.length + 1, MARK.length]), Buffer.from(MARK)]);
  const modules = Object.entries(coreModules).map(([file, bytes]): [string, Uint8Array] => [
    file,
    Buffer.concat([bytes, section]),
  ]);
  const contentHash = `sha256:${MARK}`;
  return { ...artifact, contentHash, coreModules: Object.fromEntries(modules), target: ARTIFACT_TARGET };
}

function spki(key: KeyObject): string {
  return key.export({ format: 'der', type: 'spki' }).toString('base64');
}

function executeRequest({
  tenantId,
  contentHash,
  url,
  method,
  grants,
  limits,
}: ExecuteOptions): ExecuteRequest {
  return {
    context: {
      request_id: randomUUID(),
      execution_id: randomUUID(),
      tenant_id: tenantId ?? '00000000-0000-4000-8000-00000000000a',
      extension_id: randomUUID(),
      install_id: '00000000-0000-4000-8000-00000000001a',
      version_id: randomUUID(),
      content_hash: contentHash,
      config_version: 1,
      trigger: 'http',
    },
    http: { method: method ?? 'GET', path: url ?? '/', query: '', headers: {} },
    // So long that only what never ends is ended, however busy the machine is.
    limits: { timeout_ms: 60_000, memory_mb: 64, response_bytes: 1_000_000, ...limits },
    config: { greeting: 'Hello' },
    providers: Object.entries(grants ?? {}).map(([capability, scope]) => ({
      capability: capability as CapabilityName,
      scope: Object.fromEntries(Object.entries(scope).map(([key, values]) => [key, [...values]])),
    })),
  };
}

/** Records in memory, with the answers of the gateway's host API; one set for all tenants. */
function createStorageGateway(): RequestListener {
  const records = new Map<
    string,
    { head: { namespace: string; key: string; revision: number }; value: Uint8Array }
  >();
  return (req, res) => {
    if (req.url?.startsWith(readBundleTrust.path)) return void res.end(JSON.stringify(UNSIGNED));
    void buffer(req).then((bytes) => {
      const framed = req.headers['content-type'] === HOST_FRAME_TYPE ? decodeFrame(bytes) : undefined;
      const { namespace, key, delta } = (framed?.head ?? JSON.parse(bytes.toString())) as {
        namespace: string;
        key: string;
        delta?: string;
      };
      const name = `${namespace}/${key}`;
      const known = records.get(name);
      if (delta !== undefined) {
        const sum = String(BigInt(Buffer.from(known?.value ?? '0').toString()) + BigInt(delta));
        const head = { namespace, key, revision: (known?.head.revision ?? 0) + 1 };
        records.set(name, { head, value: Buffer.from(sum) });
        return res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ sum }));
      }
      if (framed) {
        const head = { namespace, key, revision: (known?.head.revision ?? 0) + 1 };
        records.set(name, { head, value: framed.body });
      }
      const found = records.get(name);
      if (!found) return res.writeHead(404).end(JSON.stringify({ code: 'STORAGE_MISSING' }));
      const { head, value } = found;
      const answer = Buffer.concat(encodeFrame(head, framed ? new Uint8Array() : value));
      return res.writeHead(200, { 'content-type': HOST_FRAME_TYPE }).end(answer);
    });
  };
}
