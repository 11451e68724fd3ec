import { randomUUID } from 'node:crypto';
import { createServer, connect, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { SecretValue } from '../../core/secret-value.ts';
import { createLogger } from '../../platform/logger.ts';
import { listenForNotifications, type Notifications } from '../../platform/db/notifications.ts';
import { createRowChanges, type RowChanges } from '../../platform/db/row-changes.ts';
import { createUploadStore } from '../../platform/db/uploads.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { seedTenant } from '../support/seed.ts';

const logger = createLogger({ level: 'silent', process: 'gateway' });
let database: TestDatabase;
let tenantId: string;
beforeAll(async () => {
  database = await createTestDatabase('row_changes');
  tenantId = await seedTenant(database.db);
});
afterAll(() => database.drop());

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

function notificationsAt(url = database.url, beatMs?: number): Notifications {
  const notifications = listenForNotifications({
    url: new SecretValue(url),
    logger,
    ...(beatMs !== undefined && { beatMs }),
  });
  open.push(notifications);
  return notifications;
}

const listenAt = (url?: string, beatMs?: number): RowChanges =>
  createRowChanges(notificationsAt(url, beatMs));

/** Counts how often it was woken for the row. */
function watch(changes: RowChanges, id: string, tenant = tenantId): { woken: number; stop: () => void } {
  const watched = { woken: 0, stop: () => stop() };
  const stop = changes.subscribe(tenant, { table: 'extension_upload', id }, () => (watched.woken += 1));
  return watched;
}

const store = () => createUploadStore(database.db);

/** An upload, once its own creation was heard. */
async function createUpload(changes: RowChanges): Promise<string> {
  const uploadId = randomUUID();
  const created = watch(changes, uploadId);
  await insertUpload(uploadId);
  await eventually(() => expect(created.woken).toBe(1));
  created.stop();
  return uploadId;
}

async function insertUpload(uploadId: string): Promise<void> {
  await store().create(tenantId, {
    uploadId,
    createdBy: 'key',
    filename: 'x',
    announcedSize: 1,
    expiresAt: new Date(Date.now() + 60_000),
  });
}

const connections = async (): Promise<number[]> => {
  const { rows } = await database.db.raw<{ rows: { pid: number }[] }>(
    `select pid from pg_stat_activity where application_name = 'alga notifications' and datname = current_database()`,
  );
  return rows.map(({ pid }) => pid);
};
/** Until it listens, and has woken all for what nobody heard before; that of an earlier test is gone by then. */
async function heard(changes: RowChanges): Promise<void> {
  const any = watch(changes, randomUUID());
  await eventually(() => expect(any.woken).toBeGreaterThan(0));
  any.stop();
  await eventually(async () => expect(await connections()).toHaveLength(1));
}

/** Passes bytes on to the database. Connections that it silences stay open and carry nothing more. */
async function startProxy(port = 0) {
  const target = new URL(database.url);
  const sockets = new Set<Socket>();
  const silenced = new Set<Socket>();
  const server: Server = createServer((inward) => {
    const outward = connect(Number(target.port), target.hostname);
    for (const [from, to] of [
      [inward, outward],
      [outward, inward],
    ] as const) {
      sockets.add(from.on('error', () => to.destroy()).on('close', () => to.destroy()));
      from.on('data', (chunk) => silenced.has(from) || to.write(chunk));
    }
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const url = new URL(database.url);
  url.port = String((server.address() as { port: number }).port);
  const proxy = {
    url: url.href,
    port: Number(url.port),
    silence: () => {
      for (const socket of sockets) silenced.add(socket);
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    },
  };
  open.push(proxy);
  return proxy;
}

describe('who waits for a row', () => {
  it('is woken by each change of it once that is committed, and by no other row’s', async () => {
    const changes = listenAt();
    await heard(changes);
    const [uploadId, other] = [await createUpload(changes), await createUpload(changes)];
    const watched = watch(changes, uploadId);
    const strangers = [watch(changes, other), watch(changes, uploadId, randomUUID())];
    await database.db.transaction(async (trx) => {
      await createUploadStore(trx).abort(tenantId, uploadId);
      await database.db.raw('select 1');
      expect(watched.woken).toBe(0);
    });
    await eventually(() => expect(watched.woken).toBe(1));
    watched.stop();
    const last = watch(changes, other);
    await store().abort(tenantId, uploadId);
    await store().abort(tenantId, other);
    await eventually(() => expect(last.woken).toBe(1));
    expect(watched.woken).toBe(1);
    expect(strangers.map(({ woken }) => woken)).toEqual([1, 0]);
  });

  it('costs no connection: a thousand share one', async () => {
    const changes = listenAt();
    await heard(changes);
    const uploadId = await createUpload(changes);
    const all = Array.from({ length: 1_000 }, () => watch(changes, uploadId));
    await store().abort(tenantId, uploadId);
    await eventually(() => expect(all.filter(({ woken }) => woken > 0)).toHaveLength(1_000)); // again, if the connection was
    expect(await connections()).toHaveLength(1);
  });

  it('is told of a row and nothing of what it holds', async () => {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    open.push({ close: () => client.end() });
    const payloads: (string | undefined)[] = [];
    client.on('notification', ({ payload }) => payloads.push(payload));
    await client.query('listen row_change');
    const uploadId = randomUUID();
    await insertUpload(uploadId);
    await eventually(() => expect(payloads).toEqual([`extension_upload ${tenantId} ${uploadId}`]));
  });

  it('is woken when the connection is back, for what nobody heard', async () => {
    const changes = listenAt();
    await heard(changes);
    const watched = watch(changes, randomUUID());
    const [pid] = await connections();
    const before = watched.woken;
    await database.db.raw('select pg_terminate_backend(?)', [pid ?? 0]);
    await eventually(() => expect(watched.woken).toBeGreaterThan(before));
    await createUpload(changes);
  });

  it('is woken when a connection that went silent was replaced', async () => {
    const proxy = await startProxy();
    const changes = listenAt(proxy.url, 50);
    await heard(changes);
    const watched = watch(changes, randomUUID());
    const before = watched.woken;
    const [silent] = await connections();
    proxy.silence();
    await eventually(async () => {
      expect(await connections()).not.toContain(silent);
      expect(watched.woken).toBeGreaterThan(before);
    });
  });

  it('can wait before there is a database, and is woken once it is there', async () => {
    const away = await startProxy();
    await away.close();
    open.pop();
    const changes = listenAt(away.url);
    const watched = watch(changes, randomUUID());
    await startProxy(away.port);
    await eventually(() => expect(watched.woken).toBeGreaterThan(0));
  });

  it('is woken at the end, also while there is no database', async () => {
    const away = await startProxy();
    await away.close();
    open.pop();
    const notifications = notificationsAt(away.url);
    const changes = createRowChanges(notifications);
    const watched = watch(changes, randomUUID());
    await notifications.close();
    expect(watched.woken).toBe(1);
    expect(changes.closed).toBe(true);
  });
});
