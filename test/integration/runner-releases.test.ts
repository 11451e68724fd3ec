import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createRunners, type Runners } from '../../api/execution/runners.ts';
import { SecretValue } from '../../core/secret-value.ts';
import type { PrecompiledArtifact } from '../../platform/component/artifact.ts';
import { createLogger } from '../../platform/logger.ts';
import { precompiledComponent } from '../support/components.ts';
import { storeArtifact } from '../support/stored-artifact.ts';
import { becomePreviousRelease } from '../support/previous-release.ts';
import { startRunnerProcess, type RunnerProcess } from '../support/runner-process.ts';
import { installSample, problem, RUNNER_CREDENTIAL, startApi, type TestApi } from '../support/start-api.ts';

const CALLS = 20;
/** Of `hello`, without the rest that the tests of a platform need; far fewer units than one of its calls takes. */
const TOO_LITTLE_FUEL = 100;
const MANIFEST = {
  capabilities: ['config.read', { name: 'storage.kv', scope: { namespaces: ['counters'] } }],
  api: {
    endpoints: [
      { method: 'GET', path: '/hello/:name', handler: 'hello', permission: 'extension:read' },
      { method: 'POST', path: '/echo', handler: 'echo', permission: 'extension:write' },
    ],
  },
};

interface Tenant {
  tenantId: string;
  key: string;
}

// One gateway that has two runners: a tenant's calls go to the one of release 0.1.0, another's to the one of this release.
describe('two runners of different releases beside each other', () => {
  const signing = generateKeyPairSync('ed25519');
  const logger = createLogger({ level: 'silent', process: 'gateway' });
  let api: TestApi;
  let guest: PrecompiledArtifact;
  let older: Tenant;
  let newer: Tenant;
  const processes: RunnerProcess[] = [];
  const runnerOf = new Map<string, Runners>();

  beforeAll(async () => {
    guest = await precompiledComponent('hello', { engine: 'quickjs' });
    const runners: Runners = {
      pick: (tenantId, contentHash) => {
        const runner = runnerOf.get(tenantId);
        if (!runner) throw new Error(`tenant ${tenantId} has no runner`);
        return runner.pick(tenantId, contentHash);
      },
      close: async () => {
        for (const runner of runnerOf.values()) await runner.close();
      },
    };
    api = await startApi('runner_releases', undefined, { runners });
    [older, newer] = [await api.tenant(), await api.tenant()];
    const env = {
      GATEWAY_BASE_URL: api.internalUrl,
      RUNNER_SERVICE_TOKEN: 'service',
      RUNNER_GATEWAY_TOKEN: RUNNER_CREDENTIAL,
      ARTIFACT_SIGNING_PUBLIC_KEY: base64(signing.publicKey),
      SECRETS_PRIVATE_KEY: api.secretsPrivateKey.reveal(),
      STORAGE_FOLDER: api.objectsFolder,
    };
    // How the first release knows a gateway's token.
    const { publicKey } = keyPairOf(api.tokenKey);
    processes.push(
      await startRunnerProcess({ ...env, EXECUTION_TOKEN_PUBLIC_KEY: publicKey }, { release: 'first' }),
      await startRunnerProcess(env),
    );
    for (const [at, { tenantId }] of [older, newer].entries()) {
      const baseUrl = processes[at]?.url ?? '';
      runnerOf.set(
        tenantId,
        createRunners([{ baseUrl, isName: false, serviceToken: new SecretValue('service') }], logger),
      );
    }
  }, 180_000);
  afterAll(async () => {
    await api.close();
    await Promise.all(processes.map((runner) => runner.stop()));
  });

  /** Installs the guest; answers where its endpoints are. */
  async function install({ tenantId }: Tenant, limits: Record<string, number> = {}): Promise<string> {
    const manifest = { ...MANIFEST, limits: { timeoutMs: 60_000, memoryMb: 64, ...limits } };
    const { extensionId, contentHash } = await installSample(api, tenantId, manifest);
    await storeArtifact(api.objectsFolder, { ...guest, contentHash }, signing.privateKey);
    if (tenantId === older.tenantId) {
      await becomePreviousRelease(api.objectsFolder, contentHash, keyPairOf(signing.privateKey));
    }
    return `/api/ext/${extensionId}`;
  }

  it('both serve, and nothing fails', async () => {
    const roots = [await install(older), await install(newer)];
    const callers = [older, newer];
    await Promise.all(
      callers.map(async ({ tenantId, key }, at) => {
        const root = roots[at] ?? '';
        for (let count = 1; count <= CALLS; count += 1) {
          const greeted = await api.request('GET', `${root}/hello/Ada`, { key });
          expect(greeted).toMatchObject({ status: 200, json: { tenant: tenantId, count } });
          const echoed = await api.request('POST', `${root}/echo`, { key, body: 'bytes' });
          expect(echoed).toMatchObject({ status: 200, text: 'bytes' });
        }
      }),
    );
    const [ofFirst, ofThis] = await Promise.all(
      processes.map(async ({ url }) => (await fetch(`${url}/readyz`)).json()),
    );
    expect(ofFirst).toEqual({ status: 'ready' });
    expect(ofThis).toHaveProperty('seal_epoch');
    expect(ofThis).toHaveProperty('limits');
  });

  it('each is sent only what it announces: a limit that the first one refuses, this one enforces', async () => {
    const limits = { fuel: TOO_LITTLE_FUEL };
    const [ofFirst, ofThis] = [await install(older, limits), await install(newer, limits)];
    const first = await api.request('GET', `${ofFirst}/hello/Ada`, { key: older.key });
    expect(first).toMatchObject({ status: 200 });
    const second = await api.request('GET', `${ofThis}/hello/Ada`, { key: newer.key });
    expect(second).toMatchObject(problem(502, 'GUEST_OUT_OF_FUEL'));
  });
});

function keyPairOf(privateKey: KeyObject): { publicKey: string; privateKey: string } {
  return { publicKey: base64(createPublicKey(privateKey)), privateKey: base64(privateKey) };
}

function base64(key: KeyObject): string {
  const type = key.type === 'private' ? 'pkcs8' : 'spki';
  return key.export({ format: 'der', type } as { format: 'der'; type: 'spki' }).toString('base64');
}
