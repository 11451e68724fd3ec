import { execFile } from 'node:child_process';
import { readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from '@jest/globals';
import { ARTIFACT_TARGET, PREVIOUS_ARTIFACT_TARGET } from '../../core/artifact-target.ts';
import { SecretValue } from '../../core/secret-value.ts';
import { HOUSEKEEPING_TITLE } from '../../core/titles.ts';
import { openDatabase } from '../../platform/db/database.ts';
import { createObjectKeys } from '../../platform/objects/keys.ts';
import { keyIdOf } from '../../platform/signatures/dsse.ts';
import { connectTemporal } from '../../platform/temporal/client.ts';
import { readPublicKey } from '../../platform/tokens/ed25519.ts';
import type { LocalFile } from '../../starter/local-file.ts';
import { loadLocalSecrets, type LocalSecrets } from '../../starter/secrets-file.ts';
import { waitFor } from '../../starter/wait-for.ts';
import {
  makeDataDir,
  removeDataDir,
  runStarter,
  send,
  type Answer,
  type Starter,
} from '../support/platform.ts';
import { becomePreviousRelease } from '../support/previous-release.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const keys = createObjectKeys('sha256/');

// One story, in the words of the operator's guide; each test begins where the one before ended.
describe('a new target, a new counter-signing key and a new codec key', () => {
  const dataDir = makeDataDir();
  const objects = path.join(dataDir, 'objects');
  let starter: Starter;
  let local: LocalFile;
  let contentHash = '';
  /** Waits for consent, begun before anything was rotated. */
  let waiting: Awaited<ReturnType<typeof installFor>>;

  afterAll(async () => {
    await stop();
    await removeDataDir(dataDir);
  });

  const start = async (): Promise<void> => {
    starter = runStarter(dataDir);
    local = await starter.ready();
  };
  const stop = async (): Promise<void> => {
    starter.signal('SIGTERM');
    await starter.ended;
  };
  const secrets = (): LocalSecrets => loadLocalSecrets(path.join(dataDir, 'secrets.json'), () => undefined);
  const currentKeyId = (): string => keyIdOf(readPublicKey(secrets().artifactSigning.publicKey));
  const object = (key: string): string => path.join(objects, key);
  const runnerLog = (): string => readFileSync(path.join(dataDir, 'logs', 'runner.log'), 'utf8');
  const asked = (): number => runnerLog().split('precompile requested').length - 1;

  const call = async (): Promise<number> => {
    const url = `${local.gateway}/api/ext/alga.hello/hello/story`;
    return (await send(url, 'GET', { key: local.keys.user })).status;
  };

  async function artifacts(): Promise<Record<string, unknown>[]> {
    const db = openDatabase({ url: new SecretValue(local.databaseUrl), poolMax: 1 });
    try {
      return await db<Record<string, unknown>>('extension_artifact').select('*').orderBy('target');
    } finally {
      await db.destroy();
    }
  }

  /** In a tenant of its own. */
  async function installFor(name: string, consent: 'all' | []) {
    const request = (key: string, route: string, json: object): Promise<Answer> =>
      send(`${local.gateway}${route}`, 'POST', { key, json, headers: { prefer: 'wait=60' } });
    const { operator } = local.keys;
    const tenant = (await request(operator, '/api/v1/tenants', { name })).json as { tenantId: string };
    const made = { name, tenantId: tenant.tenantId, permissions: ['extension:install', 'extension:read'] };
    const { key } = (await request(operator, '/api/v1/api-keys', made)).json as { key: string };
    const asked = { extension: 'alga.hello', consent };
    const answer = await request(key, '/api/v1/extensions/install', asked);
    const { installId, status } = answer.json as { installId: string; status: string };
    return {
      status,
      decide: (decision: string) => request(key, `/api/v1/installs/${installId}/consent`, { decision }),
    };
  }

  /** What Temporal holds of the Schedule, as read with the codec key of now alone. */
  async function scheduleSummary(): Promise<string | undefined> {
    const { address, namespace } = local.temporal;
    const codecKeys = [new SecretValue(secrets().payloadCodecKey)] as const;
    const temporal = connectTemporal({ address, namespace, codecKeys });
    try {
      const { action } = await temporal.client.schedule.getHandle('housekeeping').describe();
      return action.staticSummary;
    } finally {
      await temporal.close();
    }
  }

  const operatorRuns = (...args: string[]) =>
    promisify(execFile)(process.execPath, [path.join(ROOT, 'starter/rotate-key/main.ts'), ...args], {
      env: { PATH: process.env['PATH'], DATA_DIR: dataDir },
    });

  it('begin on a data folder whose artifact has the previous target and the previous key', async () => {
    await start();
    expect(await call()).toBe(200);
    waiting = await installFor('Undecided', []);
    expect(waiting.status).toBe('awaiting-consent');
    const made = (await artifacts())[0];
    contentHash = String(made?.['content_hash']);
    expect(made).toMatchObject({ target: ARTIFACT_TARGET, key_id: currentKeyId() });
    const db = openDatabase({ url: new SecretValue(local.databaseUrl), poolMax: 1 });
    await db('extension_artifact').update({ target: PREVIOUS_ARTIFACT_TARGET, key_id: null });
    await db.destroy();
    await stop();
    await becomePreviousRelease(objects, contentHash, secrets().artifactSigning);
    rmSync(path.join(dataDir, 'runner-cache'), { recursive: true });
    for (const key of ['artifact', 'codec']) {
      expect((await operatorRuns(key)).stdout).toContain('from the next start on');
    }
    expect(secrets().artifactSigning.previous).toHaveLength(1);
    expect(secrets().previousPayloadCodecKeys).toHaveLength(1);
  }, 900_000);

  it('serve all the time while recompileAll brings the artifact to the new ones', async () => {
    // Without its component nothing can be made: first it is seen that the old artifact serves.
    renameSync(object(keys.component(contentHash)), object('component'));
    await start();
    for (let n = 0; n < 5; n += 1) expect(await call()).toBe(200);
    expect(runnerLog()).toContain('"need":"outdated"');
    expect((await artifacts()).map(({ target }) => target)).toEqual([PREVIOUS_ARTIFACT_TARGET]);

    const statuses = new Set<number>();
    let calls = 0;
    const over = new AbortController();
    const loop = (async () => {
      for (; !over.signal.aborted; calls += 1) statuses.add(await call());
    })();
    renameSync(object('component'), object(keys.component(contentHash)));
    const isNew = async (): Promise<boolean> =>
      (await artifacts()).some(
        ({ target, key_id }) => target === ARTIFACT_TARGET && key_id === currentKeyId(),
      );
    expect(await waitFor(isNew, 180_000, 500)).toBe(true);
    over.abort();
    await loop;
    expect([...statuses]).toEqual([200]);
    expect(calls).toBeGreaterThan(10);
  }, 300_000);

  it('finish what was begun with the previous codec key', async () => {
    const decided = await waiting.decide('grant');
    expect(decided).toMatchObject({ status: 201, json: { status: 'active' } });
    expect(await scheduleSummary()).toBe(HOUSEKEEPING_TITLE);
  }, 120_000);

  it('serve without the old keys and the old artifact', async () => {
    await stop();
    expect((await operatorRuns('artifact', '--forget-previous')).stdout).toContain(
      '1 previous keys are trusted no more',
    );
    expect((await operatorRuns('codec', '--forget-previous')).stdout).toContain('1 previous keys');
    rmSync(object(keys.artifact(contentHash, PREVIOUS_ARTIFACT_TARGET)));
    rmSync(object(keys.unnamedSignature(contentHash, PREVIOUS_ARTIFACT_TARGET)));
    rmSync(path.join(dataDir, 'runner-cache'), { recursive: true });
    const before = asked();
    await start();
    for (let n = 0; n < 5; n += 1) expect(await call()).toBe(200);
    expect(asked()).toBe(before);
    expect(await installFor('Later', 'all')).toMatchObject({ status: 'active' });
    expect(await scheduleSummary()).toBe(HOUSEKEEPING_TITLE);
  }, 300_000);

  it('come back by themselves when the old key leaked and is trusted by nobody from the start', async () => {
    await stop();
    await operatorRuns('artifact');
    await operatorRuns('artifact', '--forget-previous');
    await start();
    // No artifact is acceptable until the precompile worker has made it again from the component.
    expect(await waitFor(async () => (await call()) === 200, 180_000, 500)).toBe(true);
    expect((await artifacts()).find(({ target }) => target === ARTIFACT_TARGET)).toMatchObject({
      key_id: currentKeyId(),
    });
  }, 300_000);
});
