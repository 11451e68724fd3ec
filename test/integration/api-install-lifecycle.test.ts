import { randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { PlatformError } from '../../core/errors.ts';
import { operationWorkflowId } from '../../core/ids.ts';
import { createInstallOperationStore } from '../../platform/db/install-operations.ts';
import { WAIT } from '../support/configurable-sample.ts';
import { openInput } from '../support/seed.ts';
import {
  installSample,
  problem,
  startApi,
  type InstalledSample,
  type TestApi,
} from '../support/start-api.ts';

let api: TestApi;
let tenantId: string;
let key: string;
let install: InstalledSample;
beforeAll(async () => {
  api = await startApi('api_install_lifecycle');
});
afterAll(() => api.close());

beforeEach(async () => {
  ({ tenantId, key } = await api.tenant());
  install = await installSample(api, tenantId);
  api.workflows.fails = undefined;
  api.workflows.enableEnd = 'active';
});

const operate = (kind: string, headers: Record<string, string> = WAIT) =>
  api.request('POST', `/api/v1/installs/${install.installId}/${kind}`, { key, headers });
const call = () => api.request('GET', `/api/ext/${install.extensionId}/notes/1`, { key });
const row = () => api.db('tenant_extension_install').where({ install_id: install.installId });

describe('an install that is there', () => {
  it('is paused: calls are refused with a hint to come again, until it is resumed', async () => {
    expect(await operate('pause')).toMatchObject({ status: 200, json: { status: 'paused' } });
    const refused = await call();
    expect(refused).toMatchObject(problem(503, 'INSTALL_PAUSED'));
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await operate('resume')).toMatchObject({ status: 200, json: { status: 'active' } });
    expect((await call()).status).toBe(200);
  });

  it('is disabled: calls find nothing, until it is enabled', async () => {
    expect(await operate('disable')).toMatchObject({ status: 200, json: { status: 'disabled' } });
    expect(await call()).toMatchObject(problem(404, 'NOT_FOUND'));
    expect(await operate('enable')).toMatchObject({ status: 200, json: { status: 'active' } });
    expect((await call()).status).toBe(200);
  });

  it.each([
    ['pause', 'install:'],
    ['disable', 'disable:'],
  ] as const)('answers %s with 202 and its address where nobody waits', async (kind, prefix) => {
    const answer = await operate(kind, {});
    const url = `/api/v1/installs/${install.installId}`;
    const workflowId = operationWorkflowId(kind, install);
    expect(workflowId.startsWith(prefix)).toBe(true);
    expect(answer).toMatchObject({ status: 202, json: { installId: install.installId, url, workflowId } });
    expect(answer.headers.get('location')).toBe(url);
  });

  it.each([
    ['enable', 'active'],
    ['resume', 'active'],
    ['disable', 'disabled'],
    ['pause', 'paused'],
  ])('is left alone by %s when it is %s already', async (kind, status) => {
    await row().update({ status });
    const asked = api.workflows.operated.length;
    expect(await operate(kind, {})).toMatchObject({ status: 200, json: { status } });
    expect(api.workflows.operated).toHaveLength(asked);
  });

  it.each([
    ['enable', 'paused'],
    ['resume', 'disabled'],
    ['pause', 'disabled'],
    ['pause', 'quarantined'],
    ['disable', 'quarantined'],
  ])('is refused %s when it is %s', async (kind, status) => {
    await row().update({ status });
    expect(await operate(kind)).toMatchObject(problem(409, 'STATE_CONFLICT'));
  });

  it('tells why it could not be enabled, and stays disabled', async () => {
    await operate('disable');
    api.workflows.enableEnd = { code: 'HEALTH_CHECK_FAILED', message: 'GET /health answered 500' };
    expect(await operate('enable')).toMatchObject({
      status: 422,
      json: {
        code: 'HEALTH_CHECK_FAILED',
        install: { status: 'disabled', error: { code: 'HEALTH_CHECK_FAILED' } },
      },
    });
    api.workflows.enableEnd = 'active';
    const enabled = await operate('enable');
    expect(enabled).toMatchObject({ status: 200, json: { status: 'active' } });
    expect(enabled.json).not.toHaveProperty('error');
  });

  it('is disabled whatever runs on it, while everything else is told what runs', async () => {
    await operate('disable');
    api.workflows.enableEnd = 'running';
    const enabling = await operate('enable', {});
    expect(enabling).toMatchObject({
      status: 202,
      json: { status: 'disabled', operation: { kind: 'enable' } },
    });
    expect(enabling.json['operation']).not.toHaveProperty('runId');
    expect(await operate('pause')).toMatchObject({
      status: 409,
      json: { code: 'OPERATION_RUNNING', running: { operation: 'enable' } },
    });
    const disabled = await operate('disable');
    expect(disabled).toMatchObject({ status: 200, json: { status: 'disabled' } });
    expect(disabled.json).not.toHaveProperty('operation');
  });
});

const remove = (query = '') =>
  api.request('DELETE', `/api/v1/installs/${install.installId}${query}`, { key, headers: WAIT });
const exported = async () => {
  const answer = await api.request('GET', `/api/v1/installs/${install.installId}/export`, { key });
  expect(answer).toMatchObject({ status: 200 });
  expect(answer.headers.get('content-type')).toBe('application/x-ndjson');
  return answer.text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
};

describe('an install that is uninstalled', () => {
  it('is not there for calls, says when it is purged, and comes back as what it was', async () => {
    const removed = await remove();
    expect(removed).toMatchObject({ status: 200, json: { status: 'uninstalled' } });
    const grace = Date.parse(String(removed.json['purgeAt'])) - Date.now();
    expect(grace / (24 * 60 * 60 * 1000)).toBeCloseTo(7, 1);
    expect(await call()).toMatchObject(problem(404, 'NOT_FOUND'));
    const restored = await operate('restore');
    expect(restored).toMatchObject({ status: 200, json: { status: 'active' } });
    expect(restored.json).not.toHaveProperty('purgeAt');
    expect((await call()).status).toBe(200);
  });

  it.each(['paused', 'disabled', 'quarantined'])('comes back as %s if it was that', async (status) => {
    await row().update({ status });
    await remove();
    expect(await operate('restore')).toMatchObject({ status: 200, json: { status } });
  });

  it('cannot come back beside one that was installed meanwhile, nor once it is purged', async () => {
    await remove();
    const other = randomUUID();
    const operations = createInstallOperationStore(api.db);
    const { extensionId, versionId } = install;
    await operations.open(tenantId, openInput({ installId: other, extensionId, versionId }));
    expect(await operate('restore')).toMatchObject(problem(409, 'INSTALL_EXISTS'));
    const purged = await remove('?purge=now');
    expect(purged.json).toMatchObject({ status: 'uninstalled' });
    expect(purged.json).not.toHaveProperty('purgeAt');
    expect(await operate('restore')).toMatchObject(problem(409, 'STATE_CONFLICT'));
    expect(await remove()).toMatchObject({ status: 200, json: { status: 'uninstalled' } });
  });

  it('is refused a restore if it was not uninstalled, and a purge of any other time', async () => {
    expect(await operate('restore')).toMatchObject(problem(409, 'STATE_CONFLICT'));
    expect(await remove('?purge=later')).toMatchObject(problem(400, 'INPUT_INVALID'));
    expect(await row()).toMatchObject([{ status: 'active' }]);
  });
});

describe('an export', () => {
  it('holds all but the secrets, page after page, and says how much', async () => {
    const own = { tenant_id: tenantId, install_id: install.installId };
    const keys = Array.from({ length: 100 }, (_none, at) => `k-${String(at).padStart(3, '0')}`);
    await api.db('extension_storage_record').insert(
      keys.map((name, at) => ({
        ...own,
        namespace: at < 50 ? 'a' : 'b',
        key: name,
        value: Buffer.from(name),
        revision: 1,
      })),
    );
    await api.db('tenant_extension_install_config').insert({
      ...own,
      version_id: install.versionId,
      config: JSON.stringify({ greeting: 'Hi' }),
      version: 1,
    });
    await api
      .db('tenant_extension_install_secrets')
      .insert({ ...own, name: 'TOKEN', sealed: 's3al3d', key_id: 'k' });
    const lines = await exported();
    expect(lines[0]).toMatchObject({ type: 'install', installId: install.installId, status: 'active' });
    expect(lines[1]).toEqual({ type: 'config', config: { greeting: 'Hi' } });
    expect(lines[2]).toEqual({ type: 'grant', capability: 'storage.kv', scope: { namespaces: ['notes'] } });
    expect(lines.at(-1)).toEqual({ type: 'end', records: 100 });
    const records = lines.filter(({ type }) => type === 'record');
    expect(records.map(({ value }) => Buffer.from(String(value), 'base64').toString())).toEqual(keys);
    expect(JSON.stringify(lines)).not.toContain('s3al3d');

    await remove();
    expect(await exported()).toHaveLength(lines.length);
    await remove('?purge=now');
    expect((await exported()).at(1)).toEqual({ type: 'config', config: {} });
  });

  it('is for those who may install, in their own tenant', async () => {
    const route = `/api/v1/installs/${install.installId}/export`;
    const reader = await api.key(tenantId, ['extension:read']);
    expect(await api.request('GET', route, { key: reader })).toMatchObject(problem(403, 'FORBIDDEN'));
    const stranger = await api.tenant();
    expect(await api.request('GET', route, { key: stranger.key })).toMatchObject(problem(404, 'NOT_FOUND'));
  });
});

describe('who asks', () => {
  it('is told nothing of a foreign install', async () => {
    const stranger = await api.tenant();
    const route = `/api/v1/installs/${install.installId}`;
    expect(await api.request('DELETE', route, { key: stranger.key })).toMatchObject(
      problem(404, 'NOT_FOUND'),
    );
    for (const kind of ['enable', 'disable', 'pause', 'resume', 'restore']) {
      expect(await api.request('POST', `${route}/${kind}`, { key: stranger.key })).toMatchObject(
        problem(404, 'NOT_FOUND'),
      );
    }
    expect(await row()).toMatchObject([{ status: 'active' }]);
  });

  it('is told 202 and where to look where nobody knows whether it has begun, and 503 where nothing has', async () => {
    api.workflows.fails = new PlatformError('TEMPORAL_OUTCOME_UNKNOWN', 'no worker has answered');
    expect(await operate('disable')).toMatchObject({ status: 202, json: { status: 'active' } });
    api.workflows.fails = new PlatformError('TEMPORAL_UNAVAILABLE', 'away');
    expect(await operate('disable')).toMatchObject(problem(503, 'TEMPORAL_UNAVAILABLE'));
  });
});

it('a call whose body came late is refused by what the install has become meanwhile', async () => {
  const route = `/api/ext/${install.extensionId}/notes`;
  const status = Promise.withResolvers<number | undefined>();
  const sent = httpRequest(
    `${api.url}${route}`,
    { method: 'POST', headers: { authorization: `Bearer ${key}`, 'content-length': '2' } },
    (answer) => status.resolve(answer.resume().statusCode),
  ).on('error', status.reject);
  sent.write('{');
  // Answered after the one before was allowed.
  expect((await api.request('POST', route, { key, body: '{}' })).status).toBe(200);
  expect((await operate('disable')).status).toBe(200);
  // Longer than what was allowed before the body holds.
  const now = performance.now.bind(performance);
  const later = jest.spyOn(performance, 'now').mockImplementation(() => now() + 1_000);
  sent.end('}');
  expect(await status.promise).toBe(404);
  later.mockRestore();
});
