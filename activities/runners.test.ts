import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { SecretValue } from '../core/secret-value.ts';
import { createRunnerExecutions } from './runners.ts';

const version = { tenantId: 'tenant-1', installId: 'install-1', versionId: 'version-1' };
const problem = (status: number, code: string) => ({
  status,
  body: { type: `urn:alga:problem:${code}`, title: 'x', status, detail: 'x', code, requestId: 'request-1' },
});

const ended = (code: string) => ({ durationMs: 3, status: 502, error: { code, message: 'x' } });

let server: Server;
let baseUrl: string;
let answer: { status: number; body: unknown };
/** Answered first, one after the other. */
let first: { status: number; body: unknown }[];
let received: { url: string | undefined; authorization: string | undefined; body: unknown }[];

beforeEach(async () => {
  received = [];
  first = [];
  answer = { status: 200, body: { status: 200, durationMs: 3 } };
  server = createServer((req, res) => {
    void text(req).then((body) => {
      received.push({
        url: req.url,
        authorization: req.headers.authorization,
        body: JSON.parse(body) as unknown,
      });
      const { status, body: answered } = first.shift() ?? answer;
      res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answered));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

const activities = () =>
  createRunnerExecutions({ gateway: { baseUrl, token: new SecretValue('worker-token') }, pauseMs: 1 });

function warm(): Promise<unknown> {
  const all = activities();
  return new MockActivityEnvironment().run(() => all.warmVersion(version));
}

function probe(): Promise<unknown> {
  const all = activities();
  return new MockActivityEnvironment().run(() => all.probeVersion({ ...version, health: '/health' }));
}

describe('warmVersion', () => {
  it('asks the gateway with the credential of workers', async () => {
    expect(await warm()).toEqual({ attempts: 1 });
    expect(received).toEqual([
      {
        url: '/api/internal/executions',
        authorization: 'Bearer worker-token',
        body: { ...version, trigger: 'warm' },
      },
    ]);
  });

  it('fails with what ended the guest, which a retry would not change', async () => {
    answer.body = { durationMs: 3, status: 502, error: { code: 'GUEST_TRAPPED', message: 'unreachable' } };
    await expect(warm()).rejects.toMatchObject({ code: 'GUEST_TRAPPED', retryable: false });
    expect(received).toHaveLength(1);
  });

  it.each(['GUEST_TIMEOUT', 'SANDBOX_LOST'])(
    'holds %s against the version only the third time',
    async (code) => {
      const late = { status: 200, body: ended(code) };
      first = [late, late];
      expect(await warm()).toEqual({ attempts: 1 });
      expect(received).toHaveLength(3);
      answer = late;
      await expect(warm()).rejects.toMatchObject({ code, retryable: false });
      expect(received).toHaveLength(6);
    },
  );

  it('is worth a retry while runners are busy or away', async () => {
    answer = problem(503, 'RUNNER_UNAVAILABLE');
    await expect(warm()).rejects.toMatchObject({ code: 'RUNNER_UNAVAILABLE', retryable: true });
  });

  it('is worth a retry while the gateway is away', async () => {
    await new Promise((resolve) => server.close(resolve));
    await expect(warm()).rejects.toMatchObject({ code: 'GATEWAY_UNAVAILABLE', retryable: true });
  });

  it('waits for an operator when the gateway refuses its credential, and does not show it', async () => {
    answer = problem(401, 'UNAUTHENTICATED');
    const refusal = await warm().catch((err: unknown) => err);
    expect(refusal).toMatchObject({ code: 'GATEWAY_UNAVAILABLE', retryable: true });
    expect(JSON.stringify(refusal)).not.toContain('worker-token');
  });

  it('fails when the version may not run', async () => {
    answer = problem(404, 'NOT_FOUND');
    await expect(warm()).rejects.toMatchObject({ code: 'NOT_FOUND', retryable: false });
  });
});

describe('probeVersion', () => {
  it('asks the health endpoint', async () => {
    await probe();
    expect(received[0]?.body).toEqual({
      ...version,
      trigger: 'probe',
      http: { method: 'GET', path: '/health' },
    });
  });

  it.each([
    ['another answer than 2xx', { status: 200, body: { durationMs: 3, status: 500 } }],
    [
      'a guest that ends',
      {
        status: 200,
        body: { durationMs: 3, status: 502, error: { code: 'GUEST_OUT_OF_MEMORY', message: 'x' } },
      },
    ],
    ['a guest that is late every time', { status: 200, body: ended('GUEST_TIMEOUT') }],
    ['a guest that traps every time', { status: 200, body: ended('GUEST_TRAPPED') }],
  ])('takes %s as a failed health check', async (_what, given) => {
    answer = given;
    await expect(probe()).rejects.toMatchObject({ code: 'HEALTH_CHECK_FAILED', retryable: false });
  });

  it.each(['SANDBOX_LOST', 'GUEST_TIMEOUT', 'GUEST_TRAPPED'])(
    "is not failed by %s once or twice, which may be a neighbour's doing or our own load",
    async (code) => {
      first = [
        { status: 200, body: ended(code) },
        { status: 200, body: ended(code) },
      ];
      expect(await probe()).toEqual({ attempts: 1 });
    },
  );

  it('is worth a retry when the runner was lost on the way', async () => {
    answer = problem(504, 'OUTCOME_UNKNOWN');
    await expect(probe()).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN', retryable: true });
  });

  it('is worth a retry while runners are busy', async () => {
    answer = problem(503, 'RUNNER_BUSY');
    await expect(probe()).rejects.toMatchObject({ code: 'RUNNER_BUSY', retryable: true });
  });
});
