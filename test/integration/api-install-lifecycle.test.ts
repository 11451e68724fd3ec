import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { PlatformError } from '../../core/errors.ts';
import { disableWorkflowId, installWorkflowId } from '../../core/ids.ts';
import { WAIT } from '../support/configurable-sample.ts';
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
    ['pause', 'install'],
    ['disable', 'disable'],
  ])('answers %s with 202 and its address where nobody waits', async (kind, id) => {
    const answer = await operate(kind, {});
    const url = `/api/v1/installs/${install.installId}`;
    const workflowId =
      id === 'disable'
        ? disableWorkflowId(install.installId)
        : installWorkflowId(tenantId, install.extensionId);
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

describe('who asks', () => {
  it('is told nothing of a foreign install', async () => {
    const stranger = await api.tenant();
    for (const kind of ['enable', 'disable', 'pause', 'resume']) {
      const route = `/api/v1/installs/${install.installId}/${kind}`;
      expect(await api.request('POST', route, { key: stranger.key })).toMatchObject(
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
  const status = new Promise<number | undefined>((resolve, reject) => {
    const sent = httpRequest(
      `${api.url}/api/ext/${install.extensionId}/notes`,
      { method: 'POST', headers: { authorization: `Bearer ${key}`, 'content-length': '2' } },
      (answer) => resolve(answer.resume().statusCode),
    ).on('error', reject);
    sent.write('{');
    // Longer than what was allowed before the body holds.
    setTimeout(() => void operate('disable').then(() => sent.end('}'), reject), 700);
  });
  expect(await status).toBe(404);
});
