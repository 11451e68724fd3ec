import { expect } from '@jest/globals';
import { createPublicKey, generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { createApps, type AppDeps } from '../../api/app.ts';
import { createExecutor } from '../../api/execution/executor.ts';
import { createSingleRunner } from '../../api/execution/runners.ts';
import { createDraftSettings } from '../../api/installs/draft-settings.ts';
import { createInputDigest } from '../../api/installs/input-digest.ts';
import { createInstallService } from '../../api/installs/install-service.ts';
import { PERMISSIONS, type Permission } from '../../core/permissions.ts';
import { SecretValue } from '../../core/secret-value.ts';
import { createApiKeyStore } from '../../platform/db/api-keys.ts';
import { createExecutionStore } from '../../platform/db/executions.ts';
import { createHydrationStore } from '../../platform/db/hydration.ts';
import { createInstallDraftStore } from '../../platform/db/install-drafts.ts';
import { createInstallOperationStore } from '../../platform/db/install-operations.ts';
import { createInstallStore } from '../../platform/db/installs.ts';
import { createRegistryStore } from '../../platform/db/registry.ts';
import { createStorageRecordStore } from '../../platform/db/storage-records.ts';
import { createTenantStore } from '../../platform/db/tenants.ts';
import { createUploadStore } from '../../platform/db/uploads.ts';
import { createLogger } from '../../platform/logger.ts';
import { createFolderObjectStore } from '../../platform/objects/folder-object-store.ts';
import { createObjectKeys } from '../../platform/objects/keys.ts';
import { generateSecretsKeyPair, secretsKeyId as keyIdOf } from '../../platform/secrets/sealing-suite.ts';
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
  db: TestDatabase['db'];
  deps: AppDeps;
  runner: FakeRunner;
  workflows: FakeWorkflowStarter;
  tokenKey: KeyObject;
  secretsPrivateKey: SecretValue;
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

/** The gateway's real routes and stores on a database of their own; runner and workflows are fakes. */
export async function startApi(name: string): Promise<TestApi> {
  const database = await createTestDatabase(name);
  const { db } = database;
  const runner = await startFakeRunner();
  const objectsFolder = await mkdtemp(path.join(os.tmpdir(), 'alga-api-'));
  const { privateKey: tokenKey } = generateKeyPairSync('ed25519');
  const secrets = generateSecretsKeyPair();
  const secretsKeyId = keyIdOf(secrets.publicKey);
  const log: string[] = [];
  const logger = createLogger(
    { level: 'debug', process: 'gateway' },
    { write: (line: string) => void log.push(line) },
  );

  const executions = createExecutionStore(db);
  const uploads = createUploadStore(db);
  const installs = createInstallStore(db);
  const registry = createRegistryStore(db);
  const apiKeys = createApiKeyStore(db);
  const workflows = new FakeWorkflowStarter({ uploads, operations: createInstallOperationStore(db) });
  const runners = createSingleRunner({ baseUrl: runner.url, serviceToken: new SecretValue('service') });
  const executor = createExecutor({
    executions,
    runners,
    tokenKey,
    secretsKeyId,
    logger,
  });
  const deps: AppDeps = {
    logger,
    apiKeys,
    tenants: createTenantStore(db),
    uploads,
    registry,
    installs,
    executions,
    hydration: createHydrationStore(db),
    records: createStorageRecordStore(db),
    objects: createFolderObjectStore({ folder: objectsFolder }),
    keys: createObjectKeys('sha256/'),
    workflows,
    installService: createInstallService({
      registry,
      installs,
      draftSettings: createDraftSettings({
        drafts: createInstallDraftStore(db),
        secretsPublicKey: secrets.publicKey,
        secretsKeyId,
      }),
      inputDigest: createInputDigest(tokenKey),
      workflows,
    }),
    executor,
    runners,
    credentials: {
      runner: new SecretValue(RUNNER_CREDENTIAL),
      worker: new SecretValue(WORKER_CREDENTIAL),
    },
    tokenPublicKey: createPublicKey(tokenKey),
    secretsKeyId,
    runnerPublicBase: 'http://ui.test',
    maxTimeoutMs: 3_000,
    checkDatabase: async () => {
      await db.raw('select 1');
    },
  };
  const server = createServer(createApps(deps).public as Parameters<typeof createServer>[1]);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const key: TestApi['key'] = async (tenantId, permissions, fields = {}) => {
    const made = generateApiKey();
    await apiKeys.create(tenantId, { ...made, name: 'test', permissions, createdBy: 'test', ...fields });
    return made.key;
  };

  return {
    url,
    db,
    deps,
    runner,
    workflows,
    tokenKey,
    secretsPrivateKey: secrets.privateKey,
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
      const isJson = /json/.test(response.headers.get('content-type') ?? '');
      const parsed: unknown = isJson && text !== '' ? JSON.parse(text) : {};
      return { status: response.status, headers: response.headers, text, json: parsed as ApiAnswer['json'] };
    },
    async tenant(permissions = TENANT_PERMISSIONS) {
      const tenantId = await seedTenant(db);
      return { tenantId, key: await key(tenantId, permissions) };
    },
    async close() {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      await executor.drain();
      await runners.close();
      await runner.close();
      await database.drop();
      await rm(objectsFolder, { recursive: true, force: true });
    },
  };
}

export interface InstalledSample {
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
  const grants = version.manifest.capabilities.map(({ name, scope }) => ({ capability: name, scope }));
  await operations.grant(tenantId, installId, grants, 'test');
  await operations.activate(tenantId, installId, versionId, []);
  return { installId, extensionId, versionId, contentHash };
}

/** What a problem must look like. */
export function problem(status: number, code: string): object {
  return { status, json: { status, code, title: expect.any(String), detail: expect.any(String) } };
}
