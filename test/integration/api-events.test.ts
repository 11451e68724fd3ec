import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Permission } from '../../core/permissions.ts';
import { createUploadStore } from '../../platform/db/uploads.ts';
import { eventually } from '../support/eventually.ts';
import { openStream, type OpenStream } from '../support/event-stream.ts';
import { installSample, problem, startApi, type TestApi } from '../support/start-api.ts';

let api: TestApi;
let tenantId: string;
let key: string;
beforeAll(async () => {
  api = await startApi('api_events');
  ({ tenantId, key } = await api.tenant());
});
afterAll(() => api.close());

const stream = (route: string, headers: Record<string, string> = {}): Promise<OpenStream> =>
  openStream(`${api.url}${route}`, { authorization: `Bearer ${key}`, ...headers });

/** An upload whose bytes are there and whose publish runs; answers its id. */
async function openPublish({ db }: TestApi, tenant: string): Promise<string> {
  const uploadId = randomUUID();
  const uploads = createUploadStore(db);
  const expiresAt = new Date(Date.now() + 60_000);
  await uploads.create(tenant, { uploadId, createdBy: 'k', filename: 'x', announcedSize: 1, expiresAt });
  await uploads.markReceived(tenant, uploadId, { size: 1, sha256: 'a'.repeat(64) });
  await uploads.open(tenant, uploadId);
  return uploadId;
}

async function publishing(): Promise<{ uploadId: string; route: string }> {
  const uploadId = await openPublish(api, tenantId);
  return { uploadId, route: `/api/v1/publishes/${uploadId}` };
}

const end = (uploadId: string): Promise<void> =>
  createUploadStore(api.db).end(tenantId, uploadId, {
    steps: [],
    checks: [],
    status: 'rejected',
    error: { code: 'MANIFEST_INVALID', message: 'no' },
  });

describe('the events of a publish', () => {
  it('show each state in order, as the resource shows it, and end with it', async () => {
    const { uploadId, route } = await publishing();
    const opened = await stream(`${route}/events`);
    await eventually(() => expect(opened.events).toHaveLength(1));
    const running = { name: 'precompile', status: 'running', attempts: 1 } as const;
    await createUploadStore(api.db).saveProgress(tenantId, uploadId, {
      status: 'precompiling',
      steps: [running],
      checks: [],
    });
    await eventually(() => expect(opened.events).toHaveLength(2));
    await end(uploadId);
    await opened.ended;
    expect(opened.events.map(({ event, data }) => [event, data['status']])).toEqual([
      ['progress', 'verifying'],
      ['progress', 'precompiling'],
      ['failed', 'rejected'],
    ]);
    expect(opened.events.at(-1)?.data).toEqual((await api.request('GET', route, { key })).json);
  });

  it('go on after the last id', async () => {
    const { uploadId, route } = await publishing();
    const first = await stream(`${route}/events`);
    await eventually(() => expect(first.events).toHaveLength(1));
    first.leave();
    await end(uploadId);
    const again = await stream(`${route}/events`, { 'last-event-id': first.events[0]?.id ?? '' });
    await again.ended;
    expect(again.events.map(({ event }) => event)).toEqual(['failed']);
    const over = await stream(`${route}/events`, { 'last-event-id': again.events[0]?.id ?? '' });
    expect(over.status).toBe(204);
  });
});

describe('the events of an install', () => {
  it('are one that is the last when nothing runs on it', async () => {
    const { installId } = await installSample(api, tenantId);
    const route = `/api/v1/installs/${installId}`;
    const opened = await stream(`${route}/events`);
    await opened.ended;
    expect(opened.events.map(({ event, data }) => [event, data])).toEqual([
      ['done', (await api.request('GET', route, { key })).json],
    ]);
  });

  it('show settings only to who may change them', async () => {
    const { installId } = await installSample(api, tenantId);
    const reader = await api.key(tenantId, ['extension:read']);
    const opened = await stream(`/api/v1/installs/${installId}/events`, {
      authorization: `Bearer ${reader}`,
    });
    await opened.ended;
    expect(opened.events[0]?.data).toHaveProperty('status', 'active');
    expect(opened.events[0]?.data).not.toHaveProperty('config');
  });
});

describe('events', () => {
  it.each(['publishes', 'installs'])('of %s are not there for another tenant', async (resource) => {
    const { uploadId } = await publishing();
    const { installId } = await installSample(api, tenantId);
    const route = `/api/v1/${resource}/${resource === 'installs' ? installId : uploadId}/events`;
    const { key: stranger } = await api.tenant();
    expect(await api.request('GET', route, { key: stranger })).toMatchObject(problem(404, 'NOT_FOUND'));
  });

  it.each<[string, Permission]>([
    ['publishes', 'extension:write'],
    ['installs', 'extension:write'],
  ])('of %s need the right to read them', async (resource, permission) => {
    const weak = await api.key(tenantId, [permission]);
    const answer = await api.request('GET', `/api/v1/${resource}/${randomUUID()}/events`, { key: weak });
    expect(answer).toMatchObject(problem(403, 'FORBIDDEN'));
  });
});

describe('when the gateway closes', () => {
  it('a stream ends, and who waits is answered with what there is', async () => {
    const closing = await startApi('api_events_closing');
    const { tenantId: tenant, key: secret } = await closing.tenant();
    const uploadId = await openPublish(closing, tenant);
    const route = `/api/v1/publishes/${uploadId}`;
    const opened = await openStream(`${closing.url}${route}/events`, { authorization: `Bearer ${secret}` });
    await eventually(() => expect(opened.events).toHaveLength(1));
    const waiting = closing.request('GET', route, { key: secret, headers: { prefer: 'wait=60' } });
    await closing.request('GET', route, { key: secret }); // answered after the one before began to wait
    await closing.close();
    await opened.ended;
    expect(await waiting).toMatchObject({ status: 200, json: { status: 'verifying' } });
  });
});
