import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { migrations } from '../../migrations/index.ts';
import { migrate, type Migration } from '../../platform/db/migrate.ts';
import { freePort } from '../../starter/ports.ts';
import { createEmptyDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';

const NEWEST = Object.keys(migrations).at(-1) ?? '';
const withoutNewest = Object.fromEntries(Object.entries(migrations).slice(0, -1));
const newer = (fields: Partial<Migration>): Record<string, Migration> => ({
  ...migrations,
  '20991231T000000-of-a-newer-release': {
    up: (db) => db.raw('create table newer ()'),
    down: (db) => db.raw('drop table newer'),
    ...fields,
  },
});

let database: TestDatabase;
let folder: string;
const running = new Set<GatewayProcess>();
const workers = new Set<WorkerProcess>();
beforeEach(async () => {
  database = await createEmptyDatabase('schema_check');
  folder = await mkdtemp(path.join(os.tmpdir(), 'alga-schema-'));
});
afterEach(async () => {
  for (const gateway of running) gateway.signal('SIGKILL');
  await Promise.all([...running].map(({ exited }) => exited));
  running.clear();
  await Promise.all([...workers].map((worker) => worker.kill()));
  workers.clear();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

async function startGateway(databaseUrl = database.url): Promise<GatewayProcess> {
  const gateway = await startGatewayProcess({ DATABASE_URL: databaseUrl, STORAGE_FOLDER: folder });
  running.add(gateway);
  return gateway;
}

async function serves({ url }: GatewayProcess): Promise<void> {
  await eventually(async () => expect((await fetch(`${url}/readyz`)).status).toBe(200));
}

/** A lifecycle worker that never gets as far as Temporal. */
function startWorker(databaseUrl = database.url): WorkerProcess {
  const worker = startWorkerProcess({
    WORKER_KIND: 'lifecycle',
    DATABASE_URL: databaseUrl,
    TEMPORAL_ADDRESS: '127.0.0.1:1',
    PAYLOAD_CODEC_KEY: Buffer.alloc(32, 1).toString('base64'),
    STORAGE_FOLDER: folder,
    GATEWAY_BASE_URL: 'http://127.0.0.1:9',
    WORKER_GATEWAY_TOKEN: 'unused',
    WORKFLOW_BUNDLE: 'unused',
  });
  workers.add(worker);
  return worker;
}

describe('a process that starts on a database', () => {
  it('refuses one that lacks a migration, names it and says what to do', async () => {
    await migrate(database.db, withoutNewest);
    const gateway = await startGateway();
    expect(await gateway.exited).toBe(1);
    expect(gateway.output()).toContain(`lacks migrations that this release needs: ${NEWEST}.`);
    expect(gateway.output()).toContain('npm run migrate');
    const worker = startWorker();
    expect(await worker.exited).toBe(1);
    expect(worker.output()).toContain(`lacks migrations that this release needs: ${NEWEST}.`);
  });

  it('refuses an empty one', async () => {
    const gateway = await startGateway();
    expect(await gateway.exited).toBe(1);
    expect(gateway.output()).toContain(Object.keys(migrations).join(', '));
  });

  it('serves on one that a newer release added to', async () => {
    await migrate(database.db, newer({}));
    await serves(await startGateway());
  });

  it('refuses one that a newer release changed under it', async () => {
    await migrate(database.db, newer({ breaking: true }));
    const gateway = await startGateway();
    expect(await gateway.exited).toBe(1);
    expect(gateway.output()).toContain('cannot run on: 20991231T000000-of-a-newer-release.');
    const worker = startWorker();
    expect(await worker.exited).toBe(1);
    expect(worker.output()).toContain('cannot run on: 20991231T000000-of-a-newer-release.');
  });

  it('waits while it does not answer, and serves once it does', async () => {
    await migrate(database.db, migrations);
    const target = new URL(database.url);
    const port = await freePort();
    const gateway = await startGateway(Object.assign(new URL(database.url), { port: String(port) }).href);
    await eventually(() => expect(gateway.output()).toContain('the database does not answer'));
    const forwarder = createServer((client) => {
      const server = connect(Number(target.port), target.hostname);
      client.pipe(server).pipe(client);
      for (const [one, other] of [
        [client, server],
        [server, client],
      ] as const) {
        one.on('error', () => other.destroy());
      }
    });
    forwarder.listen(port, '127.0.0.1');
    try {
      await serves(gateway);
      expect(gateway.output()).not.toContain(target.password + '@');
    } finally {
      gateway.signal('SIGKILL');
      forwarder.close();
    }
  });

  it('ends on SIGTERM while it waits', async () => {
    const gateway = await startGateway(`postgres://alga:hidden-word@127.0.0.1:${await freePort()}/alga`);
    await eventually(() => expect(gateway.output()).toContain('the database does not answer'));
    gateway.signal('SIGTERM');
    expect(await gateway.exited).toBe(0);
    expect(gateway.output()).not.toContain('hidden-word');

    const worker = startWorker(`postgres://alga:hidden-word@127.0.0.1:${await freePort()}/alga`);
    await eventually(() => expect(worker.output()).toContain('the database does not answer'));
    expect(await worker.stop()).toBe(0);
  });

  it('does not wait where waiting cannot help', async () => {
    const url = new URL(database.url);
    url.pathname = '/no_such_database';
    const gateway = await startGateway(url.href);
    expect(await gateway.exited).toBe(1);
    expect(gateway.output()).toContain('database "no_such_database" does not exist');
  });
});

describe('npm run migrate', () => {
  async function run(env: Record<string, string>): Promise<{ code: unknown; output: string }> {
    const child = spawn(process.execPath, [path.resolve('scripts/migrate.ts')], {
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [stdout, stderr, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close') as Promise<unknown[]>,
    ]);
    return { code, output: stdout + stderr };
  }

  it('applies what is missing, says what, and nothing the second time', async () => {
    await migrate(database.db, withoutNewest);
    const file = path.join(folder, 'database-url');
    await writeFile(file, `${database.url}\n`);
    expect(await run({ DATABASE_URL_FILE: file })).toEqual({
      code: 0,
      output: `applied ${NEWEST}\nthe database is ready\n`,
    });
    expect(await run({ DATABASE_URL: database.url })).toEqual({
      code: 0,
      output: 'the database was ready, nothing to apply\n',
    });
    await serves(await startGateway());
  });

  it('leaves a newer database as it is', async () => {
    await migrate(database.db, newer({ breaking: true }));
    const { code, output } = await run({ DATABASE_URL: database.url });
    expect(code).toBe(0);
    expect(output).toContain('left as they are, from a newer release: 20991231T000000-of-a-newer-release');
  });

  it('fails without a database, and without showing its password', async () => {
    const unset = await run({});
    expect(unset.code).toBe(1);
    expect(unset.output).toContain('DATABASE_URL');
    const url = `postgres://alga:hidden-word@127.0.0.1:${await freePort()}/alga`;
    const away = await run({ DATABASE_URL: url });
    expect(away.code).toBe(1);
    expect(away.output).toContain('the database does not answer');
    expect(away.output).not.toContain('hidden-word');
  });
});
