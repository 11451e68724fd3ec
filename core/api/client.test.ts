import { describe, expect, it } from '@jest/globals';
import { readExecution } from './executions.ts';
import { createApiClient, type WireAnswer, type WireRequest } from './client.ts';
import { listInstalls, readInstall } from './installs.ts';
import { changeSecrets, readSecrets } from './install-config.ts';
import { abortUpload, finalizeUpload, uploadProxy } from './uploads.ts';

const ID = '00000000-0000-4000-8000-000000000001';
const PROBLEM = {
  type: 'urn:alga:problem:BUNDLE_REJECTED',
  title: 'The request is not valid',
  status: 422,
  detail: 'a check failed',
  code: 'BUNDLE_REJECTED',
  requestId: 'request-1',
};

function setup(answer: Partial<WireAnswer> = {}) {
  const sent: WireRequest[] = [];
  const call = createApiClient((request) => {
    sent.push(request);
    return Promise.resolve({ status: 200, text: '', ...answer });
  });
  return { call, sent };
}

const answers = (status: number, body: unknown, requestId?: string) =>
  setup({ status, text: JSON.stringify(body), requestId });

describe('a request', () => {
  it('has its parameters encoded into the path, and its query after it', async () => {
    const { call, sent } = answers(200, { items: [] });
    await call(listInstalls, { query: { limit: 10, cursor: 'a b' } });
    await call(readInstall, { params: { installId: '../etc' } }).catch(() => undefined);
    expect(sent.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /api/v1/installs?limit=10&cursor=a+b',
      'GET /api/v1/installs/..%2Fetc',
    ]);
    expect(sent[0]).not.toHaveProperty('body');
    expect(sent[0]?.headers).not.toHaveProperty('content-type');
  });

  it('asks to wait and names its idempotency key', async () => {
    const { call, sent } = setup({ status: 204 });
    await call(abortUpload, { body: { uploadId: ID } }, { wait: 20, idempotencyKey: 'key-1' });
    expect(sent[0]).toEqual({
      method: 'POST',
      path: '/api/ext-bundles/abort',
      headers: {
        accept: 'application/json',
        'content-type': 'application/json',
        prefer: 'wait=20',
        'idempotency-key': 'key-1',
      },
      body: JSON.stringify({ uploadId: ID }),
    });
  });

  it('sends bytes as they are', async () => {
    const { call, sent } = answers(200, { size: 3, sha256: 'a'.repeat(64) });
    const bytes = Uint8Array.of(1, 2, 3);
    await call(uploadProxy, { query: { uploadId: ID }, body: bytes });
    expect(sent[0]?.body).toBe(bytes);
    expect(sent[0]?.headers['content-type']).toBe('application/octet-stream');
  });

  it('carries secrets as text, for the server to hide', async () => {
    const { call, sent } = answers(200, { secrets: { TOKEN: { set: true } }, version: 2 });
    await call(changeSecrets, { params: { installId: ID }, body: { TOKEN: 'value', OLD: null } });
    expect(sent[0]?.body).toBe('{"TOKEN":"value","OLD":null}');
  });
});

describe('an answer', () => {
  it('has its times as dates, and no member that its route does not name', async () => {
    const { call } = answers(200, {
      secrets: { TOKEN: { set: true, updatedAt: '2026-11-21T10:00:00.000Z', value: 'leaked' } },
      version: 1,
    });
    const { body } = await call(readSecrets, { params: { installId: ID } });
    expect(body.secrets).toEqual({ TOKEN: { set: true, updatedAt: new Date('2026-11-21T10:00:00Z') } });
  });

  it('is told apart by its status', async () => {
    const { call } = answers(202, { uploadId: ID, status: 'verifying', url: '/u', workflowId: 'w' });
    const answer = await call(finalizeUpload, { body: { uploadId: ID } });
    expect(answer.status === 202 && answer.body.url).toBe('/u');
  });

  it('that is a problem is thrown with its code, request and members of its own', async () => {
    const checks = [{ name: 'manifest', result: 'failed', required: true }];
    const issues = [{ path: 'manifest.json', code: 'invalid', message: 'is not JSON' }];
    const { call } = answers(422, { ...PROBLEM, issues, checks });
    await expect(call(finalizeUpload, { body: { uploadId: ID } })).rejects.toMatchObject({
      name: 'ApiError',
      message: 'a check failed',
      code: 'BUNDLE_REJECTED',
      status: 422,
      requestId: 'request-1',
      issues,
      problem: { checks },
    });
  });

  it.each([
    ['a page of a proxy', { status: 502, text: '<html>Bad gateway: secret</html>' }],
    ['a status that the route does not have', { status: 201, text: '{}' }],
    ['a body that is not the one of its status', { status: 200, text: '{"executionId":"secret"}' }],
    ['an error without the members of a problem', { status: 500, text: '{"message":"secret"}' }],
  ])('that is %s is ANSWER_INVALID and not quoted', async (_case, answer) => {
    const { call } = setup({ ...answer, requestId: 'request-2' });
    const failure: unknown = await call(readExecution, { params: { executionId: ID } }).catch(
      (err: unknown) => err,
    );
    expect(failure).toMatchObject({
      code: 'ANSWER_INVALID',
      status: answer.status,
      requestId: 'request-2',
      message: `GET /api/v1/executions/{executionId} answered ${answer.status} with something that is none of its answers`,
    });
    expect(JSON.stringify(failure)).not.toContain('secret');
  });
});
