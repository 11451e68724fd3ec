import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect } from '@jest/globals';
import { choose, hash32 } from '../../api/execution/runner-choice.ts';
import { createApiKeyStore } from '../../platform/db/api-keys.ts';
import { generateSecretsKeyPair } from '../../platform/secrets/sealing-suite.ts';
import { generateApiKey } from '../../platform/tokens/api-key.ts';
import { freePort } from '../../starter/ports.ts';
import { precompiledComponent } from './components.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { eventually } from './eventually.ts';
import { startGatewayProcess, type GatewayProcess } from './gateway-process.ts';
import { startRunnerProcess, type RunnerProcess } from './runner-process.ts';
import { seedTenant } from './seed.ts';
import { installSample } from './start-api.ts';
import { storeArtifact } from './stored-artifact.ts';

const MANIFEST = {
  capabilities: ['config.read', { name: 'storage.kv', scope: { namespaces: ['counters'] } }],
  limits: { timeoutMs: 20_000, memoryMb: 64 },
  api: {
    endpoints: [
      { method: 'GET', path: '/hello/:name', handler: 'hello', permission: 'extension:read' },
      { method: 'GET', path: '/health', handler: 'health', permission: 'extension:read', retryable: true },
      { method: 'POST', path: '/echo', handler: 'echo', permission: 'extension:write' },
    ],
  },
};

/** An install of `hello`, and the runner that its calls go to while all is well. */
export interface Member {
  tenantId: string;
  key: string;
  root: string;
  runner: string;
}

/** Two gateways and two runners, each a process of its own, and two tenants that have an install on each runner. */
export interface Company {
  database: TestDatabase;
  gateways: [GatewayProcess, GatewayProcess];
  /** By address. */
  runners: Map<string, RunnerProcess>;
  members: Member[];
  startRunner(at?: string): Promise<RunnerProcess>;
  startGateway(at: string): Promise<GatewayProcess>;
  close(): Promise<void>;
}

export async function startCompany(name: string): Promise<Company> {
  const database = await createTestDatabase(name);
  const folder = await mkdtemp(path.join(os.tmpdir(), 'alga-company-'));
  const signing = generateKeyPairSync('ed25519');
  const tokenKey = base64(generateKeyPairSync('ed25519').privateKey);
  const secrets = generateSecretsKeyPair();
  const internalPort = await freePort();
  const runners = new Map<string, RunnerProcess>();

  const startRunner = async (at?: string): Promise<RunnerProcess> => {
    const env = {
      GATEWAY_BASE_URL: `http://127.0.0.1:${internalPort}`,
      RUNNER_SERVICE_TOKEN: 'service',
      RUNNER_GATEWAY_TOKEN: 'runner',
      ARTIFACT_SIGNING_PUBLIC_KEY: base64(signing.publicKey),
      SECRETS_PRIVATE_KEY: secrets.privateKey.reveal(),
      STORAGE_FOLDER: folder,
    };
    const runner = await startRunnerProcess(env, at === undefined ? {} : { at });
    runners.set(runner.url, runner);
    return runner;
  };
  await Promise.all([startRunner(), startRunner()]);
  const urls = [...runners.keys()];
  const gatewayEnv = {
    DATABASE_URL: database.url,
    STORAGE_FOLDER: folder,
    RUNNER_BASE_URL: urls.join(','),
    EXECUTION_TOKEN_PRIVATE_KEY: tokenKey,
    SECRETS_PUBLIC_KEY: secrets.publicKey,
  };
  const startGateway = async (env: Record<string, string>): Promise<GatewayProcess> => {
    const gateway = await startGatewayProcess({ ...gatewayEnv, ...env });
    await eventually(async () => expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200));
    return gateway;
  };
  // The first serves the host calls of guests.
  const gateways: Company['gateways'] = [
    await startGateway({ GATEWAY_INTERNAL_PORT: String(internalPort) }),
    await startGateway({}),
  ];

  const guest = await precompiledComponent('hello', { engine: 'quickjs' });
  const members = (
    await Promise.all(
      [1, 2].map(() => addTenant(database, { guest, urls, folder, signing: signing.privateKey })),
    )
  ).flat();
  return {
    database,
    gateways,
    runners,
    members,
    startRunner,
    startGateway: (at) => startGateway({ GATEWAY_PORT: new URL(at).port }),
    async close() {
      for (const gateway of gateways) gateway.signal('SIGTERM');
      await Promise.all([...runners.values()].map((runner) => runner.stop()));
      await Promise.all(gateways.map(({ exited }) => exited));
      await database.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function addTenant(
  { db }: TestDatabase,
  given: {
    guest: Awaited<ReturnType<typeof precompiledComponent>>;
    urls: string[];
    folder: string;
    signing: KeyObject;
  },
): Promise<Member[]> {
  const tenantId = await seedTenant(db);
  const { key, ...stored } = generateApiKey();
  const permissions = ['extension:read', 'extension:write'] as const;
  await createApiKeyStore(db).create(tenantId, {
    ...{ key, ...stored, name: 'test', permissions, createdBy: 'test' },
  });
  const found = new Map<string, Member>();
  while (found.size < given.urls.length) {
    const { extensionId, contentHash } = await installSample({ db }, tenantId, MANIFEST);
    const among = given.urls.map((url) => ({
      ...{ url, seed: hash32(url), rank: () => 1, underWay: () => 0 },
    }));
    const runner = choose(among, `${tenantId} ${contentHash}`)?.url ?? '';
    await storeArtifact(given.folder, { ...given.guest, contentHash }, given.signing);
    found.set(runner, { tenantId, key, root: `/api/ext/${extensionId}`, runner });
  }
  return [...found.values()];
}

function base64(key: KeyObject): string {
  const type = key.type === 'private' ? 'pkcs8' : 'spki';
  return key.export({ type, format: 'der' }).toString('base64');
}
