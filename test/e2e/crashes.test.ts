import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { z } from 'zod';
import { waitFor } from '../../starter/wait-for.ts';
import { bundleOf, createTenant, expectStatus, publish, upload } from '../support/extensions.ts';
import { startPlatform, type Answer, type TestPlatform } from '../support/platform.ts';

const statusOf = z.object({ status: z.string() });

describe('a process that dies', () => {
  let platform: TestPlatform;
  let admin: string;
  let db: pg.Client;

  beforeAll(async () => {
    platform = await startPlatform();
    ({ admin } = platform.local.keys);
    db = new pg.Client({ connectionString: platform.local.databaseUrl });
    await db.connect();
  }, 900_000);
  afterAll(async () => {
    await db.end();
    await platform.close();
  });

  const kill = (name: string, signal: NodeJS.Signals = 'SIGKILL'): void => {
    const pid = platform.processes()[name];
    if (pid === undefined) throw new Error(`${name} does not run`);
    process.kill(pid, signal);
  };
  const readStatus = async (route: string): Promise<string> =>
    statusOf.parse((await platform.request('GET', route, { key: admin })).json).status;
  const count = async (table: string, where: string, value: string): Promise<number> => {
    const { rows } = await db.query<{ n: string }>(`select count(*) as n from ${table} where ${where} = $1`, [
      value,
    ]);
    return Number(rows[0]?.n);
  };

  it('is started again, and calls are answered as before', async () => {
    for (const name of ['runner', 'gateway', 'lifecycle-worker', 'precompile-worker']) {
      const before = platform.processes()[name];
      kill(name);
      const back = (): boolean => {
        const now = platform.processes()[name];
        return now !== undefined && now !== before;
      };
      expect(await waitFor(back, 60_000)).toBe(true);
    }
    const answered = async (): Promise<boolean> => {
      const url = '/api/ext/alga.hello/hello/again';
      const asked = platform.request('GET', url, { key: platform.local.keys.user });
      return asked.then(({ status }) => status === 200).catch(() => false); // the gateway is starting
    };
    expect(await waitFor(answered, 60_000)).toBe(true);
  });

  it('if it is Temporal takes nothing from calls, and whoever needs it is told', async () => {
    const { user } = platform.local.keys;
    const call = (): Promise<number> =>
      platform
        .request('GET', '/api/ext/alga.hello/hello/meanwhile', { key: user })
        .then(({ status }) => status);
    const other = await createTenant(platform, 'Meanwhile');
    kill('temporal', 'SIGSTOP');
    try {
      let answer: Answer | undefined;
      const install = { key: other.key, json: { extension: 'alga.hello', consent: 'all' } };
      const installing = platform
        .request('POST', '/api/v1/extensions/install', install)
        .then((answered) => void (answer = answered));
      const statuses = new Set<number>();
      for (let calls = 0; !answer || calls < 50; calls += 1) statuses.add(await call());
      await installing;
      expect(statuses).toEqual(new Set([200]));
      expect(answer).toMatchObject({ status: 503, json: { code: 'TEMPORAL_UNAVAILABLE' } });
      expect((await platform.request('GET', '/api/v1/installs', { key: admin })).status).toBe(200);
    } finally {
      kill('temporal', 'SIGCONT');
    }
  });

  it('in the middle of a publish does not keep it from being done, once', async () => {
    const bundle = await bundleOf('hello', { version: '2.0.0' });
    const uploadId = await upload(platform, admin, bundle);
    // The precompile worker stands still, so that the publish waits for it for as long as the test needs.
    kill('precompile-worker', 'SIGSTOP');
    const accepted = await platform.request('POST', '/api/ext-bundles/finalize', {
      key: admin,
      json: { uploadId },
    });
    expectStatus(accepted, 202);
    const route = `/api/v1/publishes/${uploadId}`;
    const waits = async (): Promise<boolean> => (await readStatus(route)) !== 'uploading';
    expect(await waitFor(waits, 60_000)).toBe(true);
    expect(['verifying', 'precompiling']).toContain(await readStatus(route));
    kill('lifecycle-worker');
    kill('precompile-worker');
    const ended = async (): Promise<boolean> =>
      ['published', 'rejected', 'failed'].includes(await readStatus(route));
    expect(await waitFor(ended, 240_000, 250)).toBe(true);
    expect(await readStatus(route)).toBe('published');
    expect(await count('extension_version', 'version', '2.0.0')).toBe(1);
    const versions = await platform.request('GET', '/api/v1/extensions/alga.hello/versions', { key: admin });
    expect(versions.text.match(/"version":"2\.0\.0"/g)).toHaveLength(1);
  }, 300_000);

  it('in the middle of an install does not keep it from being done, once', async () => {
    expectStatus(await publish(platform, admin, await bundleOf('hello', { name: 'crash' })), 201);
    // The runner stands still, so that the install waits at its warm-up.
    kill('runner', 'SIGSTOP');
    const accepted = await platform.request('POST', '/api/v1/extensions/install', {
      key: admin,
      json: { extension: 'alga.crash', consent: 'all' },
    });
    expectStatus(accepted, 202);
    const { installId } = z.object({ installId: z.uuid() }).parse(accepted.json);
    const route = `/api/v1/installs/${installId}`;
    expect(await readStatus(route)).toBe('installing');
    kill('lifecycle-worker');
    kill('runner', 'SIGCONT');
    const ended = async (): Promise<boolean> => (await readStatus(route)) !== 'installing';
    expect(await waitFor(ended, 240_000, 250)).toBe(true);
    expect(await readStatus(route)).toBe('active');
    expect(await count('tenant_extension_install', 'install_id', installId)).toBe(1);
    const key = platform.local.keys.user;
    expect((await platform.request('GET', '/api/ext/alga.crash/hello/once', { key })).json).toMatchObject({
      count: 1,
    });
  }, 300_000);
});
