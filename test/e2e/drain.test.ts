import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { eventually } from '../support/eventually.ts';
import { bundleOf, createTenant, expectStatus, install, publish } from '../support/extensions.ts';
import { startPlatform, type Answer, type TestPlatform } from '../support/platform.ts';

/** The gateway lets one change of an install through to the database; a further one would wait where nobody sees it. */
const CALLS_PER_TENANT = 1;
const TENANTS = 13;
const CALLS = TENANTS * CALLS_PER_TENANT;

let platform: TestPlatform;
let db: pg.Client;
const keys: string[] = [];

beforeAll(async () => {
  // Every call waits for its record at once, each on a connection.
  platform = await startPlatform({ DATABASE_HOST_POOL_MAX: String(CALLS + 10) });
  db = new pg.Client({ connectionString: platform.local.databaseUrl });
  db.on('error', () => undefined); // the last test stops the server
  await db.connect();
  const limits = { timeoutMs: 25_000, memoryMb: 64 };
  const { admin } = platform.local.keys;
  expectStatus(await publish(platform, admin, await bundleOf('hello', { name: 'drain', limits })), 201);
  for (let number = 1; number <= TENANTS; number += 1) {
    const { key } = await createTenant(platform, `Tenant ${number}`);
    expectStatus(await install(platform, key, { extension: 'alga.drain' }), 201);
    keys.push(key);
  }
}, 900_000);
afterAll(() => platform.close());

/** Calls that all stand still in the middle, each waiting for a record; `release` lets them go on. */
async function callsInFlight(
  name: string,
): Promise<{ answers: Promise<Answer[]>; release: () => Promise<unknown> }> {
  await db.query('begin; lock table extension_storage_record in access exclusive mode');
  const answers = Promise.all(
    keys.flatMap((key) =>
      Array.from({ length: CALLS_PER_TENANT }, (_, at) =>
        platform.request('GET', `/api/ext/alga.drain/hello/${name}-${at}`, { key }),
      ),
    ),
  );
  await eventually(async () => {
    const waiting = await db.query<{ n: number }>(
      `select count(*)::int as n from pg_locks where relation = 'extension_storage_record'::regclass and not granted`,
    );
    expect(waiting.rows[0]?.n).toBe(CALLS);
  });
  return { answers, release: () => db.query('commit') };
}

async function refusesConnections(origin: string): Promise<void> {
  await eventually(() => expect(fetch(`${origin}/healthz`)).rejects.toThrow('fetch failed'));
}

function expectAllAnswered(answers: Answer[]): void {
  expect(answers.map(({ status, json }) => [status, (json as { count?: number }).count])).toEqual(
    Array.from({ length: CALLS }, () => [200, 1]),
  );
}

/** Resolves when another is there in its place. */
async function stop(name: string): Promise<void> {
  const pid = platform.processes()[name];
  if (pid === undefined) throw new Error(`${name} does not run`);
  process.kill(pid, 'SIGTERM');
  await eventually(() => expect(platform.processes()[name]).not.toBe(pid));
}

describe('calls in the middle of their storage calls', () => {
  it('are all answered when the gateway is told to stop', async () => {
    const { answers, release } = await callsInFlight('gateway');
    await stop('gateway');
    await release();
    expectAllAnswered(await answers);
    await eventually(async () => {
      const { rows } = await db.query('select distinct status from extension_execution_log');
      expect(rows).toEqual([{ status: 'succeeded' }]);
    });
    await eventually(async () => expect((await fetch(`${platform.local.gateway}/readyz`)).status).toBe(200));
  });

  it('are all answered when the runner is told to stop', async () => {
    const { answers, release } = await callsInFlight('runner');
    await stop('runner');
    await release();
    expectAllAnswered(await answers);
    await eventually(async () => expect((await fetch(`${platform.local.runner}/readyz`)).status).toBe(200));
  });

  it('are all answered when the whole platform is told to stop', async () => {
    // The runner is a new one: no tenant has a sandbox in it yet, and they do not all start in time at once.
    for (const key of keys) {
      await eventually(async () => {
        const { status } = await platform.request('GET', '/api/ext/alga.drain/hello/again', { key });
        expect(status).toBe(200);
      });
    }
    const { answers, release } = await callsInFlight('platform');
    platform.starter.signal('SIGTERM');
    await refusesConnections(platform.local.gateway);
    await release();
    expectAllAnswered(await answers);
    expect(await platform.starter.ended).toBe(0);
  });
});
