import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ExecuteRequest } from '../../core/execute.ts';
import { mintExecutionToken } from '../../platform/tokens/execution-token.ts';
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

function tokenFor(install: InstalledSample, timeoutMs = 5_000): Promise<string> {
  const request: ExecuteRequest = {
    context: {
      request_id: 'r',
      execution_id: randomUUID(),
      tenant_id: tenantId,
      extension_id: install.extensionId,
      install_id: install.installId,
      version_id: install.versionId,
      content_hash: install.contentHash,
      config_version: 0,
      trigger: 'http',
    },
    http: { method: 'GET', path: '/', query: '', headers: {} },
    limits: { timeout_ms: timeoutMs, memory_mb: 64, response_bytes: 1024 },
    config: {},
    providers: [],
  };
  return mintExecutionToken(api.tokenKey, api.runner.url, request);
}

async function storage(
  verb: string,
  json: unknown,
  headers: Record<string, string> = {},
): Promise<ApiAnswer> {
  const token = { 'x-execution-token': await tokenFor(sample) };
  const route = `/api/internal/host/storage/${verb}`;
  return api.request('POST', route, {
    json,
    headers: { ...bearer(RUNNER_CREDENTIAL), ...token, ...headers },
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
    const token = { 'x-execution-token': await tokenFor(sample) };
    expect(await ask(token)).toMatchObject(problem(401, 'UNAUTHENTICATED'));
    expect(await ask({ ...token, ...bearer('wrong') })).toMatchObject(problem(401, 'UNAUTHENTICATED'));
    expect(await ask({ ...token, ...bearer(WORKER_CREDENTIAL) })).toMatchObject(problem(403, 'FORBIDDEN'));
    expect(await ask(bearer(RUNNER_CREDENTIAL))).toMatchObject(problem(401, 'TOKEN_INVALID'));
    const expired = { 'x-execution-token': await tokenFor(sample, -60_000) };
    expect(await ask({ ...expired, ...bearer(RUNNER_CREDENTIAL) })).toMatchObject(
      problem(401, 'TOKEN_INVALID'),
    );
  });

  it('denies a namespace outside the grant, and an install without one', async () => {
    expect(await storage('get', { namespace: 'other', key: 'a' })).toMatchObject(
      problem(403, 'CAPABILITY_NOT_GRANTED'),
    );
    const bare = await installSample(api, tenantId, { capabilities: [] });
    const headers = { 'x-execution-token': await tokenFor(bare) };
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
    const headers = { 'x-execution-token': await tokenFor(other) };
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
