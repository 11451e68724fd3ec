import { expect } from '@jest/globals';
import { generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createGateway } from '../../api/create-gateway.ts';
import type { CallShares } from '../../api/execution/call-shares.ts';
import type { Runners } from '../../api/execution/runners.ts';
import { requestedCapabilities } from '../../core/manifest/permissions.ts';
import { PERMISSIONS, type Permission } from '../../core/permissions.ts';
import type { SecretValue } from '../../core/secret-value.ts';
import { loadGatewayConfig } from '../../platform/config/gateway.ts';
import { createApiKeyStore } from '../../platform/db/api-keys.ts';
import { createInstallLifecycleStore } from '../../platform/db/install-lifecycle.ts';
import { createInstallOperationStore } from '../../platform/db/install-operations.ts';
import { createPurgeStore } from '../../platform/db/purge.ts';
import { createPublisherStore } from '../../platform/db/publishers.ts';
import { createSignatureStore } from '../../platform/db/signatures.ts';
import { createTrustStore } from '../../platform/db/trust.ts';
import { createVersionTrustStore } from '../../platform/db/version-trust.ts';
import { createUploadStore } from '../../platform/db/uploads.ts';
import { createVersionChangeStore } from '../../platform/db/version-changes.ts';
import { createLogger } from '../../platform/logger.ts';
import { generateSecretsKeyPair, secretsKeyId } from '../../platform/secrets/sealing-suite.ts';
import { generateApiKey } from '../../platform/tokens/api-key.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { startFakeRunner, type FakeRunner } from './fake-runner.ts';
import { FakeWorkflowStarter } from './fake-workflow-starter.ts';
import { openInput, seedTenant, seedVersion } from './seed.ts';

export const RUNNER_CREDENTIAL = 'runner-credential';
export const WORKER_CREDENTIAL = 'worker-credential';

export interface ApiAnswer {
  status: number;
  headers: Headers;
  text: string;
  /** Undefined if the answer is no JSON. */
  json: Record<string, unknown>;
}

export interface ApiRequest {
  key?: string;
  json?: unknown;
  body?: string | Uint8Array<ArrayBuffer>;
  headers?: Record<string, string>;
}

export interface TestApi {
  url: string;
  /** The listener for runners and workers. */
  internalUrl: string;
  db: TestDatabase['db'];
  runner: FakeRunner;
  workflows: FakeWorkflowStarter;
  tokenKey: KeyObject;
  secretsPrivateKey: SecretValue;
  /** Of the key that this gateway seals to. */
  secretsKeyId: string;
  /** Everything the gateway logged. */
  log: string[];
  objectsFolder: string;
  request(method: string, route: string, request?: ApiRequest): Promise<ApiAnswer>;
  /** A tenant and a key of it, with every permission but the operator's unless told otherwise. */
  tenant(permissions?: readonly Permission[]): Promise<{ tenantId: string; key: string }>;
  key(tenantId: string, permissions: readonly Permission[], fields?: { expiresAt?: Date }): Promise<string>;
  close(): Promise<void>;
}

const TENANT_PERMISSIONS = PERMISSIONS.filter((permission) => permission !== 'platform:operate');

/** The real gateway on a database of its own; workflows and, unless given, the runner are fakes. `environment` overrides its settings. */
export async function startApi(
  name: string,
  environment: (databaseUrl: string) => Record<string, string> = () => ({}),
  given: { runners?: Runners; callShares?: CallShares } = {},
): Promise<TestApi> {
  const database = await createTestDatabase(name);
  const { db } = database;
  const runner = await startFakeRunner();
  const objectsFolder = await mkdtemp(path.join(os.tmpdir(), 'alga-api-'));
  const { privateKey: tokenKey } = generateKeyPairSync('ed25519');
  const secrets = generateSecretsKeyPair();
  const log: string[] = [];
  const logger = createLogger(
    { level: 'debug', process: 'gateway' },
    { write: (line: string) => void log.push(line) },
  );

  const workflows = new FakeWorkflowStarter({
    uploads: createUploadStore(db),
    operations: createInstallOperationStore(db),
    lifecycle: createInstallLifecycleStore(db),
    changes: createVersionChangeStore(db),
    purges: createPurgeStore(db),
    publishers: createPublisherStore(db),
    trust: createTrustStore(db, undefined),
    versions: createVersionTrustStore(db),
    signatures: createSignatureStore(db),
  });
  const config = loadGatewayConfig({
    GATEWAY_PORT: '0',
    GATEWAY_INTERNAL_PORT: '0',
    DATABASE_URL: database.url,
    TEMPORAL_ADDRESS: '127.0.0.1:1',
    PAYLOAD_CODEC_KEY: Buffer.alloc(32, 1).toString('base64'),
    STORAGE_FOLDER: objectsFolder,
    RUNNER_BASE_URL: runner.url,
    RUNNER_PUBLIC_BASE: 'http://ui.test',
    EXT_GATEWAY_TIMEOUT_MS: '3000',
    EXECUTION_TOKEN_PRIVATE_KEY: tokenKey.export({ type: 'pkcs8', format: 'der' }).toString('base64'),
    RUNNER_SERVICE_TOKEN: 'service',
    RUNNER_GATEWAY_TOKEN: RUNNER_CREDENTIAL,
    WORKER_GATEWAY_TOKEN: WORKER_CREDENTIAL,
    SECRETS_PUBLIC_KEY: secrets.publicKey,
    ...environment(database.url),
  });
  const gateway = createGateway(config, logger, { workflows, ...given });
  const { port, internalPort } = await gateway.listen();
  const url = `http://127.0.0.1:${port}`;

  const apiKeys = createApiKeyStore(db);
  const key: TestApi['key'] = async (tenantId, permissions, fields = {}) => {
    const made = generateApiKey();
    await apiKeys.create(tenantId, { ...made, name: 'test', permissions, createdBy: 'test', ...fields });
    return made.key;
  };

  return {
    url,
    internalUrl: `http://127.0.0.1:${internalPort}`,
    db,
    runner,
    workflows,
    tokenKey,
    secretsPrivateKey: secrets.privateKey,
    secretsKeyId: secretsKeyId(secrets.publicKey),
    log,
    objectsFolder,
    key,
    async request(method, route, { key: apiKey, json, body, headers = {} } = {}) {
      const response = await fetch(`${url}${route}`, {
        method,
        redirect: 'manual',
        headers: {
          ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
          ...(json !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(json !== undefined && { body: JSON.stringify(json) }),
        ...(body !== undefined && { body }),
      });
      const text = await response.text();
      const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '');
      const parsed: unknown = isJson && text !== '' ? JSON.parse(text) : {};
      return { status: response.status, headers: response.headers, text, json: parsed as ApiAnswer['json'] };
    },
    async tenant(permissions = TENANT_PERMISSIONS) {
      const tenantId = await seedTenant(db);
      return { tenantId, key: await key(tenantId, permissions) };
    },
    async close() {
      await gateway.close();
      await runner.close();
      await database.drop();
      await rm(objectsFolder, { recursive: true, force: true });
    },
  };
}

export interface InstalledSample {
  tenantId: string;
  installId: string;
  extensionId: string;
  versionId: string;
  contentHash: string;
}

/** The sample extension, published by the tenant and active in it; `manifest` replaces top-level fields. */
export async function installSample(
  api: Pick<TestApi, 'db'>,
  tenantId: string,
  manifest: Record<string, unknown> = {},
): Promise<InstalledSample> {
  const version = await seedVersion(api.db, tenantId, {
    name: `sample-${randomUUID()}`,
    publisher: tenantId,
    ...manifest,
  });
  const installId = randomUUID();
  const { extensionId, versionId, contentHash } = version;
  const operations = createInstallOperationStore(api.db);
  await operations.open(tenantId, openInput({ installId, extensionId, versionId }));
  const grants = requestedCapabilities(version.manifest).map(({ name, scope }) => ({
    capability: name,
    scope,
  }));
  await operations.grant(tenantId, installId, grants, 'test');
  await operations.activate(tenantId, installId, versionId, []);
  return { tenantId, installId, extensionId, versionId, contentHash };
}

/** What a problem must look like. */
export function problem(status: number, code: string): object {
  return { status, json: { status, code, title: expect.any(String), detail: expect.any(String) } };
}
