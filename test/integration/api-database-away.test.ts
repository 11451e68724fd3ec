import { connect, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import { seedVersion } from '../support/seed.ts';
import {
  installSample,
  problem,
  startApi,
  type InstalledSample,
  type TestApi,
} from '../support/start-api.ts';

/** Stands between the gateway and PostgreSQL, and can be away or say nothing. */
interface Line {
  port: number;
  /** Refuses connections and cuts those there are. */
  cut(): Promise<void>;
  /** Takes bytes and passes none on. */
  freeze(): void;
  /** From the first statement with these words on nothing comes back, though everything arrives. */
  loseAnswersTo(words: string): void;
  restore(): Promise<void>;
}

async function createLine(): Promise<Line & { to(url: string): string; close(): Promise<void> }> {
  let target = { host: '', port: 0 };
  let frozen = false;
  let unanswered: string | undefined;
  const sockets = new Set<Socket>();
  const serve = (port: number): Promise<Server> => {
    const server = createServer((client) => {
      const upstream = connect(target);
      for (const [from, into] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        sockets.add(from);
        from.on('data', (bytes) => {
          if (unanswered !== undefined && from === client && bytes.includes(unanswered)) upstream.pause();
          into.write(bytes);
        });
        from.on('error', () => undefined);
        from.on('close', () => {
          sockets.delete(from);
          into.destroy();
        });
        if (frozen) from.pause();
      }
    });
    server.listen(port, '127.0.0.1');
    return once(server, 'listening').then(() => server);
  };
  let server = await serve(0);
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return {
    port,
    to(url) {
      const direct = new URL(url);
      target = { host: direct.hostname, port: Number(direct.port) };
      direct.port = String(port);
      direct.hostname = '127.0.0.1';
      return direct.href;
    },
    cut: close,
    freeze() {
      frozen = true;
      for (const socket of sockets) socket.pause();
    },
    loseAnswersTo(words) {
      unanswered = words;
    },
    async restore() {
      frozen = false;
      unanswered = undefined;
      if (!server.listening) server = await serve(port);
      for (const socket of sockets) socket.resume();
    },
    close,
  };
}

let line: Awaited<ReturnType<typeof createLine>>;
let api: TestApi;
let key: string;
let sample: InstalledSample;
beforeAll(async () => {
  line = await createLine();
  api = await startApi('api_database_away', (url) => ({ DATABASE_URL: line.to(url) }));
  const tenant = await api.tenant();
  key = tenant.key;
  sample = await installSample(api, tenant.tenantId);
});
afterAll(async () => {
  await line.restore();
  await api.close();
  await line.close();
});

/** Nothing stands between any more, and the gateway has found that out. */
async function whole(): Promise<void> {
  await line.restore();
  await eventually(async () => expect((await api.request('GET', '/readyz')).status).toBe(200));
}

it('does not say that nothing was begun when the database goes away after it was', async () => {
  await line.restore();
  const tenant = await api.tenant();
  const { extensionId } = await seedVersion(api.db, tenant.tenantId, { publisher: tenant.tenantId });
  const ask = (method: string, route: string, json: unknown) =>
    api.request(method, route, { key: tenant.key, json, headers: { prefer: 'wait=5' } });
  api.workflows.begun = () => line.cut();
  const asked = await ask('POST', '/api/v1/extensions/install', { extension: extensionId, consent: 'all' });
  const { url } = asked.json as { url: string };
  expect(asked.status).toBe(202);
  await line.restore();
  await eventually(async () => {
    expect((await api.request('GET', url, { key: tenant.key })).json).toMatchObject({ status: 'active' });
  });

  const changed = await ask('PUT', `${url}/config`, {});
  api.workflows.begun = () => undefined;
  expect(changed).toMatchObject({ status: 202, json: { status: 'configuring', url: `${url}/config` } });
  await line.restore();
});

it('does not say that a change was not made when the database is lost after it was given it', async () => {
  await whole();
  const { tenantId, key: admin } = await api.tenant();
  line.loseAnswersTo('COMMIT');
  const body = { key: admin, json: { name: 'perhaps', permissions: ['extension:read'] } };
  const answer = await api.request('POST', '/api/v1/api-keys', body);
  expect(answer).toMatchObject(problem(504, 'OUTCOME_UNKNOWN'));
  expect(answer.headers.get('retry-after')).toBeNull();
  await line.restore();
  expect(await api.db('api_key').where({ tenant_id: tenantId, name: 'perhaps' })).toHaveLength(1);
});

describe.each(['cut', 'freeze'] as const)('with the database away (%s)', (how) => {
  beforeEach(async () => {
    await whole();
    await line[how]();
  });

  it('says so to management and calls alike, and is itself again when it is back', async () => {
    const routes = ['/api/v1/installs', `/api/ext/${sample.extensionId}/notes/1`];
    const answers = await Promise.all(routes.map((route) => api.request('GET', route, { key })));
    for (const answer of answers) {
      expect(answer).toMatchObject(problem(503, 'DATABASE_UNAVAILABLE'));
      expect(answer.headers.get('retry-after')).toBe('1');
      expect(answer.text).not.toContain('127.0.0.1');
    }
    expect(api.runner.seen).toEqual([]);
    await line.restore();
    await eventually(async () => {
      for (const route of routes) expect((await api.request('GET', route, { key })).status).toBe(200);
    });
    api.runner.seen.length = 0;
  });

  it('is alive and not ready, and does not wait for the database to say the latter', async () => {
    expect((await api.request('GET', '/healthz')).status).toBe(200);
    // Both begin at once, and whoever asks the database gives it three seconds at least when it says nothing.
    const first = await Promise.race([
      api.request('GET', '/readyz').then(({ status }) => status),
      api.request('GET', '/api/v1/installs', { key }).then(() => 'the database was given up first'),
    ]);
    if (how === 'freeze') expect(first).toBe(503);
    expect((await api.request('GET', '/readyz')).status).toBe(503);
  });
});
