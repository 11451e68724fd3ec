import { randomUUID, randomUUIDv7 } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { HOST_FRAME_TYPE } from '../../core/api/host-storage.ts';
import { createExecutionStore } from '../../platform/db/executions.ts';
import {
  installSample,
  problem,
  RUNNER_CREDENTIAL,
  startApi,
  WORKER_CREDENTIAL,
  type ApiAnswer,
  type InstalledSample,
  type TestApi,
} from '../support/start-api.ts';
import { eventually } from '../support/eventually.ts';
import { askStorage, tokenFor, type StorageAnswer } from '../support/host-storage.ts';
import { seedExecution } from '../support/seed.ts';

let api: TestApi;
let tenantId: string;
let sample: InstalledSample;
beforeAll(async () => {
  api = await startApi('api_host_storage');
  ({ tenantId } = await api.tenant());
  sample = await installSample(api, tenantId);
});
afterAll(() => api.close());
beforeEach(() => {
  api.runner.seen.length = 0;
  api.runner.reply = () => ({ body: 'hello' });
});

const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` });

async function storage(
  verb: string,
  json: unknown,
  headers: Record<string, string> = {},
): Promise<ApiAnswer> {
  const token = { 'x-execution-token': await tokenFor(api, sample) };
  const route = `/api/internal/host/storage/${verb}`;
  return api.request('POST', route, {
    json,
    headers: { ...bearer(RUNNER_CREDENTIAL), ...token, ...headers },
  });
}

/** As a runner of this release asks. */
async function framed(
  verb: Parameters<typeof askStorage>[1],
  head: unknown,
  { token, value }: { token?: string; value?: Uint8Array } = {},
): Promise<StorageAnswer> {
  return askStorage(api, verb, head, {
    token: token ?? (await tokenFor(api, sample)),
    ...(value && { value }),
  });
}

const b64 = (text: string) => Buffer.from(text).toString('base64');

describe('host storage', () => {
  it('puts, gets, lists and deletes records of the token’s install', async () => {
    const put = await storage('put', { namespace: 'notes', key: 'a', valueB64: b64('one') });
    expect(put).toMatchObject({ status: 200, json: { namespace: 'notes', key: 'a', revision: 1 } });
    const got = await storage('get', { namespace: 'notes', key: 'a' });
    expect(got.json).toEqual({ namespace: 'notes', key: 'a', valueB64: b64('one'), revision: 1 });
    const list = await storage('list', { namespace: 'notes' });
    expect(list.json).toEqual({ entries: [got.json] });
    expect(await storage('delete', { namespace: 'notes', key: 'a' })).toMatchObject({
      status: 200,
      json: {},
    });
    expect(await storage('get', { namespace: 'notes', key: 'a' })).toMatchObject(
      problem(404, 'STORAGE_MISSING'),
    );
  });

  it('needs the runner’s credential and an execution token, both', async () => {
    const json = { namespace: 'notes', key: 'a' };
    const ask = (headers: Record<string, string>) =>
      api.request('POST', '/api/internal/host/storage/get', { json, headers });
    const token = { 'x-execution-token': await tokenFor(api, sample) };
    expect(await ask(token)).toMatchObject(problem(401, 'UNAUTHENTICATED'));
    expect(await ask({ ...token, ...bearer('wrong') })).toMatchObject(problem(401, 'UNAUTHENTICATED'));
    expect(await ask({ ...token, ...bearer(WORKER_CREDENTIAL) })).toMatchObject(problem(403, 'FORBIDDEN'));
    expect(await ask(bearer(RUNNER_CREDENTIAL))).toMatchObject(problem(401, 'TOKEN_INVALID'));
    const expired = { 'x-execution-token': await tokenFor(api, sample, { timeoutMs: -60_000 }) };
    expect(await ask({ ...expired, ...bearer(RUNNER_CREDENTIAL) })).toMatchObject(
      problem(401, 'TOKEN_INVALID'),
    );
  });

  it('denies a namespace outside the grant, and an install without one', async () => {
    expect(await storage('get', { namespace: 'other', key: 'a' })).toMatchObject(
      problem(403, 'CAPABILITY_NOT_GRANTED'),
    );
    const bare = await installSample(api, tenantId, { capabilities: [] });
    const headers = { 'x-execution-token': await tokenFor(api, bare) };
    for (const verb of ['get', 'delete', 'list', 'put']) {
      const json = {
        namespace: 'notes',
        ...(verb !== 'list' && { key: 'a' }),
        ...(verb === 'put' && { valueB64: '' }),
      };
      expect(await storage(verb, json, headers)).toMatchObject(problem(403, 'CAPABILITY_NOT_GRANTED'));
    }
  });

  it('keeps installs apart', async () => {
    await storage('put', { namespace: 'notes', key: 'mine', valueB64: b64('one') });
    const other = await installSample(api, tenantId);
    const headers = { 'x-execution-token': await tokenFor(api, other) };
    expect(await storage('get', { namespace: 'notes', key: 'mine' }, headers)).toMatchObject(
      problem(404, 'STORAGE_MISSING'),
    );
  });

  it('ignores what a newer runner sends besides: whose records they are, the token alone says', async () => {
    const put = { namespace: 'notes', key: 'newer', valueB64: b64('one') };
    await storage('put', { ...put, tenantId: randomUUID() });
    const other = await api.tenant();
    const json = { namespace: 'notes', key: 'newer', tenantId: other.tenantId, installId: randomUUID() };
    expect(await storage('get', json)).toMatchObject({ status: 200, json: put });
  });

  it.each([
    ['an empty namespace', { namespace: '', key: 'a' }],
    ['a key that is too long', { namespace: 'notes', key: 'k'.repeat(513) }],
    ['text the database cannot hold', { namespace: 'notes', key: 'a\0b' }],
  ])('refuses %s', async (_case, json) => {
    expect(await storage('get', json)).toMatchObject(problem(400, 'INPUT_INVALID'));
  });

  it('refuses a cursor that PostgreSQL cannot hold, as it does such a key', async () => {
    for (const cursor of ['a\0b', '\ud800']) {
      expect(await storage('list', { namespace: 'notes', cursor })).toMatchObject(
        problem(400, 'INPUT_INVALID'),
      );
    }
  });

  it('refuses a value that is too large', async () => {
    const valueB64 = Buffer.alloc(64 * 1024 + 1).toString('base64');
    expect(await storage('put', { namespace: 'notes', key: 'big', valueB64 })).toMatchObject(
      problem(429, 'STORAGE_LIMIT'),
    );
  });
});

describe('values in frames', () => {
  const binary = Uint8Array.from({ length: 256 }, (_, at) => at);

  it('are put and read as the bytes they are', async () => {
    const put = await framed('put', { namespace: 'notes', key: 'binary', revision: 0 }, { value: binary });
    expect(put).toMatchObject({ status: 200, head: { namespace: 'notes', key: 'binary' } });
    expect(put.body.byteLength).toBe(0);
    const got = await framed('get', { namespace: 'notes', key: 'binary' });
    expect(got.head).toEqual({ namespace: 'notes', key: 'binary', revision: put.head['revision'] });
    expect(Buffer.from(got.body).equals(Buffer.from(binary))).toBe(true);
    // A runner from before frames reads the same.
    const older = await storage('get', { namespace: 'notes', key: 'binary' });
    expect(older.json).toMatchObject({ valueB64: Buffer.from(binary).toString('base64') });
  });

  it('may be empty', async () => {
    await framed('put', { namespace: 'notes', key: 'empty' }, { value: new Uint8Array() });
    expect(await framed('get', { namespace: 'notes', key: 'empty' })).toMatchObject({
      status: 200,
      type: HOST_FRAME_TYPE,
    });
  });

  it('are refused as values in JSON are, with a problem', async () => {
    const refused = (head: unknown, value: Uint8Array) => framed('put', head, { value });
    expect(await refused({ namespace: 'notes', key: '' }, binary)).toMatchObject({
      status: 400,
      head: { code: 'INPUT_INVALID' },
    });
    expect(await refused({ namespace: 'other', key: 'a' }, binary)).toMatchObject({
      status: 403,
      head: { code: 'CAPABILITY_NOT_GRANTED' },
    });
    expect(await refused({ namespace: 'notes', key: 'big' }, new Uint8Array(64 * 1024 + 1))).toMatchObject({
      status: 429,
      head: { code: 'STORAGE_LIMIT' },
    });
    const body = 'no frame';
    const headers = {
      ...bearer(RUNNER_CREDENTIAL),
      'x-execution-token': await tokenFor(api, sample),
      'content-type': HOST_FRAME_TYPE,
    };
    expect(await api.request('POST', '/api/internal/host/storage/put', { body, headers })).toMatchObject(
      problem(400, 'INPUT_INVALID'),
    );
  });

  it('are listed in pieces of at most 256 KiB; a runner from before them gets the whole page', async () => {
    const install = await installSample(api, tenantId);
    const token = await tokenFor(api, install);
    const keys = Array.from({ length: 20 }, (_, n) => `key-${String(n).padStart(2, '0')}`);
    for (const key of keys) {
      await framed('put', { namespace: 'notes', key }, { value: Buffer.alloc(64 * 1024, key), token });
    }
    const seen: string[] = [];
    for (let more = true; more;) {
      const cursor = seen.at(-1);
      const piece = await framed('list', { namespace: 'notes', limit: 100 - seen.length, cursor }, { token });
      expect(piece.size).toBeLessThan(256 * 1024 + 4096);
      let offset = 0;
      const { records } = piece.head as { records: { key: string; bytes: number }[] };
      for (const { key, bytes } of records) {
        const value = piece.body.subarray(offset, (offset += bytes));
        expect(Buffer.from(value).equals(Buffer.alloc(64 * 1024, key))).toBe(true);
        seen.push(key);
      }
      more = piece.head['more'] === true;
    }
    expect(seen).toEqual(keys);
    const whole = await storage('list', { namespace: 'notes' }, { 'x-execution-token': token });
    const { entries } = whole.json as { entries: { key: string }[] };
    expect(entries.map(({ key }) => key)).toEqual(keys);
  });
});

describe('an execution', () => {
  it('that has ended, or that nobody began, is refused whatever its token says', async () => {
    const executionId = await seedExecution(api.db, tenantId, sample);
    const token = await tokenFor(api, sample, { executionId });
    const ask = async (
      verb: Parameters<typeof askStorage>[1],
      given = token,
    ): Promise<string | undefined> => {
      const head = { namespace: 'notes', key: 'ended' };
      const value = verb === 'put' ? Buffer.from('x') : undefined;
      const answer = await framed(verb, head, { token: given, ...(value && { value }) });
      return answer.head['code'] as string | undefined;
    };
    expect(await ask('put')).toBeUndefined();
    const end = { status: 'succeeded', httpStatus: 200, durationMs: 1, responseBytes: 0 } as const;
    await createExecutionStore(api.db).end(tenantId, executionId, end);
    // The token was verified a moment ago, and is remembered.
    for (const verb of ['get', 'put', 'delete', 'list'] as const)
      expect(await ask(verb)).toBe('EXECUTION_ENDED');
    for (const unknown of [randomUUIDv7(), randomUUID()]) {
      expect(await ask('get', await tokenFor(api, sample, { executionId: unknown }))).toBe('EXECUTION_ENDED');
    }
  });

  it.each(['a client’s call', 'a probe'])('of %s may use its storage until it has ended', async (what) => {
    let token = '';
    api.runner.reply = async (seen) => {
      ({ token } = seen);
      const put = await framed('put', { namespace: 'notes', key: what }, { value: Buffer.from('x'), token });
      return { body: String(put.status) };
    };
    if (what === 'a probe') {
      const json = { ...sample, trigger: 'probe', http: { method: 'GET', path: '/health' } };
      const answer = await api.request('POST', '/api/internal/executions', {
        json,
        headers: bearer(WORKER_CREDENTIAL),
      });
      expect(answer).toMatchObject({ status: 200, json: { status: 200 } });
    } else {
      const key = await api.key(tenantId, ['extension:read']);
      const answer = await api.request('GET', `/api/ext/${sample.extensionId}/notes/1`, { key });
      expect(answer).toMatchObject({ status: 200, text: '200' });
    }
    expect((await storage('get', { namespace: 'notes', key: what })).status).toBe(200);
    const late = () => framed('get', { namespace: 'notes', key: what }, { token });
    await eventually(async () =>
      expect(await late()).toMatchObject({ status: 403, head: { code: 'EXECUTION_ENDED' } }),
    );
  });
});
