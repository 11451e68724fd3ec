import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { createExecutionStore } from '../../platform/db/executions.ts';
import { executionTokenKey, makeExecutionToken } from '../../platform/tokens/execution-token.ts';
import {
  frozen,
  hostTokenKey,
  sending,
  startAnsweringHost,
  type AnsweringHost,
  type HostAnswer,
} from '../support/answering-host.ts';
import { eventually } from '../support/eventually.ts';
import { tokenFor } from '../support/host-storage.ts';
import { executeRequest } from '../support/execute-request.ts';
import { seedExecution } from '../support/seed.ts';
import {
  installSample,
  problem,
  RUNNER_CREDENTIAL,
  startApi,
  type InstalledSample,
  type TestApi,
} from '../support/start-api.ts';

const CAPABILITIES = ['client.read', 'service.read', 'invoice.manual.create'];
const PAGE = { total_count: 0, page: 1, page_size: 25 };
const INVOICE = { client_id: 'c', items: [], invoice_date: '2026-11-29' };

const signing = hostTokenKey();
const next = hostTokenKey();

let host: AnsweringHost;
let asked: AnsweringHost['asked'];
let api: TestApi;
let bare: TestApi;
let tenantId: string;
let sample: InstalledSample;
let baseUrl: string;
beforeAll(async () => {
  host = await startAnsweringHost();
  ({ asked } = host);
  baseUrl = `${host.url}/api/extensions`;
  api = await startApi('api_host_application', () => ({
    HOST_API_BASE_URL: `${baseUrl}/`,
    HOST_TOKEN_PRIVATE_KEY: signing.privateKey,
    HOST_TOKEN_OTHER_PUBLIC_KEYS: next.publicKey,
  }));
  bare = await startApi('api_no_host_application');
  ({ tenantId } = await api.tenant());
  sample = await installSample(api, tenantId, { capabilities: CAPABILITIES });
});
afterAll(async () => {
  host.close();
  await Promise.all([api.close(), bare.close()]);
});
beforeEach(() => {
  asked.length = 0;
  host.answer = sending(200, { items: [], ...PAGE });
});

interface Call {
  of?: InstalledSample;
  token?: string;
  call?: number;
  leftMs?: number;
  at?: TestApi;
}

async function ask(
  path: string,
  input: unknown,
  { of = sample, token, call = 1, leftMs = 5_000, at = api }: Call = {},
) {
  return at.request('POST', `/api/internal/host/${path}`, {
    json: { call, input },
    headers: {
      authorization: `Bearer ${RUNNER_CREDENTIAL}`,
      'x-execution-token': token ?? (await tokenFor(at, of)),
      'x-deadline-ms': String(leftMs),
    },
  });
}

const listClients = (call: Call = {}) => ask('clients/list-clients', {}, call);
const createInvoice = (call: Call = {}) => ask('invoicing/create-manual-invoice', INVOICE, call);

describe('the bridge to the host application', () => {
  it('sends what it was asked, and says who asks in a token that published keys verify', async () => {
    const client = {
      client_id: 'c',
      client_name: 'Ada',
      is_inactive: false,
      billing_email: null,
      secret: 'x',
    };
    host.answer = sending(200, { items: [client], ...PAGE, total_count: 1 });
    const { status, json } = await ask('clients/list-clients', { search: 'Ada', unknown: 1 });
    const known = { client_id: 'c', client_name: 'Ada', is_inactive: false };
    expect({ status, json }).toEqual({ status: 200, json: { items: [known], ...PAGE, total_count: 1 } });
    const [{ path, headers, body } = { path: '', headers: {}, body: '' }] = asked;
    expect([path, JSON.parse(body)]).toEqual(['/api/extensions/clients/list-clients', { search: 'Ada' }]);
    const left = Number(headers['x-deadline-ms']);
    expect(left > 0 && left <= 4_500).toBe(true);

    const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', api.url));
    const options = { issuer: 'alga-gateway', audience: baseUrl, algorithms: ['EdDSA'] };
    const token = headers.authorization?.replace('Bearer ', '') ?? '';
    const { payload } = await jwtVerify(token, keys, options);
    expect(payload).toMatchObject({
      tenant: tenantId,
      install: sample.installId,
      extension: sample.extensionId,
      execution: expect.any(String) as unknown,
      call: 'clients/list-clients',
    });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBeLessThanOrEqual(11);
    await expect(jwtVerify(token, keys, { ...options, audience: 'https://elsewhere' })).rejects.toThrow(
      'aud',
    );
  });

  it('publishes the key that comes next beside the one that signs', async () => {
    const { status, headers, json } = await api.request('GET', '/.well-known/jwks.json');
    expect([status, headers.get('cache-control')]).toEqual([200, 'public, max-age=300']);
    const keys = json['keys'] as Record<string, unknown>[];
    expect(keys).toHaveLength(2);
    for (const key of keys) expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x']);
    expect((await bare.request('GET', '/.well-known/jwks.json')).json).toEqual({ keys: [] });
  });

  it('gives a call one key and no other call the same', async () => {
    host.answer = sending(200, { success: true });
    const executionId = await seedExecution(api.db, tenantId, sample);
    const token = await tokenFor(api, sample, { executionId });
    await createInvoice({ token, call: 1 });
    await createInvoice({ token, call: 1 });
    await createInvoice({ token, call: 2 });
    await ask('invoicing/create-manual-invoice', { ...INVOICE, client_id: 'd' }, { token, call: 1 });
    await createInvoice();
    const keys = asked.map(({ headers }) => headers['idempotency-key']);
    expect(keys[0]).toBe(keys[1]);
    expect(new Set(keys).size).toBe(4);
  });

  it('is open to a running execution with the grant alone', async () => {
    const executionId = await seedExecution(api.db, tenantId, sample);
    const token = await tokenFor(api, sample, { executionId });
    expect((await listClients({ token })).status).toBe(200);
    await createExecutionStore(api.db).end(tenantId, executionId, {
      status: 'succeeded',
      httpStatus: 200,
      durationMs: 1,
      responseBytes: 0,
    });
    expect(await listClients({ token })).toMatchObject(problem(403, 'EXECUTION_ENDED'));
    const other = await installSample(api, tenantId, { capabilities: ['client.read'] });
    expect((await listClients({ of: other })).status).toBe(200);
    expect(await createInvoice({ of: other })).toMatchObject(problem(403, 'CAPABILITY_NOT_GRANTED'));
    expect(await ask('services/list-services', {}, { of: other })).toMatchObject(
      problem(403, 'CAPABILITY_NOT_GRANTED'),
    );
    await api
      .db('tenant')
      .where({ tenant_id: tenantId })
      .update({ capabilities_off: ['client.read'] });
    expect(await listClients()).toMatchObject(problem(403, 'CAPABILITY_NOT_GRANTED'));
    await api.db('tenant').where({ tenant_id: tenantId }).update({ capabilities_off: [] });
    expect(asked).toHaveLength(2);
  });

  it('says that there is no host application where none is connected', async () => {
    const own = await bare.tenant();
    const of = await installSample(bare, own.tenantId, { capabilities: CAPABILITIES });
    expect(await listClients({ at: bare, of })).toMatchObject(problem(403, 'HOST_APPLICATION_MISSING'));
  });

  it.each([
    ['an input that does not fit', { invoice_date: '29.11.2026' }],
    ['no input', undefined],
  ])('refuses %s, and asks nobody', async (_what, input) => {
    expect(await ask('invoicing/create-manual-invoice', input)).toMatchObject(problem(400, 'INPUT_INVALID'));
    expect(asked).toEqual([]);
  });

  it.each([
    ['a fault', sending(500, { error: 'the secret of the host' }), 502, 'HOST_APPLICATION_FAILED'],
    ['a refusal', sending(403, { error: 'the secret of the host' }), 403, 'HOST_APPLICATION_REFUSED'],
    ['faults of the input', sending(422, { error: 'the secret of the host' }), 422, 'HOST_INPUT_REFUSED'],
    ['that it lacks the route', sending(404, {}), 404, 'HOST_ROUTE_MISSING'],
    ['that it does not believe the token', sending(401, {}), 503, 'HOST_APPLICATION_UNAVAILABLE'],
    ['another address', sending(302, {}), 502, 'HOST_APPLICATION_FAILED'],
    [
      'another shape',
      sending(200, { items: 'the secret of the host', ...PAGE }),
      502,
      'HOST_APPLICATION_FAILED',
    ],
    ['nothing', (_a, res) => void res.end(), 502, 'HOST_APPLICATION_FAILED'],
    ['garbage', (_a, res) => void res.end('the secret of the host'), 502, 'HOST_APPLICATION_FAILED'],
    ['without end', (_a, res) => void res.end(Buffer.alloc(2_000_000, ' ')), 502, 'HOST_APPLICATION_FAILED'],
  ] as [string, HostAnswer, number, string][])(
    'tells no more than its code of an answer that is %s',
    async (_what, given, status, code) => {
      host.answer = given;
      const refused = await listClients();
      expect(refused).toMatchObject(problem(status, code));
      expect(refused.text).not.toContain('secret');
      expect(api.log.join('')).not.toContain('the secret of the host');
      expect(asked).toHaveLength(1);
    },
  );

  it('sends a call once more, with the same key, when its answer is lost', async () => {
    host.answer = (_asked, res) => {
      if (asked.length === 1) res.destroy();
      else sending(200, { success: true, invoice_id: 'i' })(_asked, res);
    };
    expect(await createInvoice()).toMatchObject({ status: 200, json: { invoice_id: 'i' } });
    expect(asked).toHaveLength(2);
    expect(asked[0]).toEqual({
      ...asked[1],
      headers: expect.objectContaining({
        'idempotency-key': asked[1]?.headers['idempotency-key'],
      }) as unknown,
    });
    host.answer = (_asked, res) => void res.destroy();
    expect(await createInvoice()).toMatchObject(problem(502, 'HOST_APPLICATION_FAILED'));
    expect(asked).toHaveLength(4);
  });

  it('knows that nothing was done where nobody listens', async () => {
    const away = await startApi('api_host_away', () => ({
      HOST_API_BASE_URL: 'http://127.0.0.1:1',
      HOST_TOKEN_PRIVATE_KEY: signing.privateKey,
    }));
    const own = await away.tenant();
    const of = await installSample(away, own.tenantId, { capabilities: CAPABILITIES });
    expect(await createInvoice({ at: away, of })).toMatchObject(problem(503, 'HOST_APPLICATION_UNAVAILABLE'));
    await away.close();
  });
});

describe('a host application that has frozen', () => {
  async function isGivenUp(): Promise<void> {
    const began = performance.now();
    expect(await createInvoice({ leftMs: 1_000 })).toMatchObject(problem(502, 'HOST_APPLICATION_FAILED'));
    // Far below what it is waited for where no guest's deadline is nearer, and far above a busy machine's pauses.
    expect(performance.now() - began).toBeLessThan(6_000);
  }

  it('is given up by the guest’s deadline, and what it was asked may have been done', async () => {
    host.answer = frozen;
    await isGivenUp();
    expect(asked).toHaveLength(1);
  });

  it.each([200, 500])('is given up as well when an answer of %i drips', async (status) => {
    host.answer = (_asked, res) => {
      res.writeHead(status);
      const timer = setInterval(() => res.write(' '), 50);
      res.once('close', () => clearInterval(timer));
    };
    await isGivenUp();
    expect(asked).toHaveLength(1);
  });

  it('holds few calls of a tenant, refuses what is too much, and keeps no neighbour waiting', async () => {
    host.answer = ({ body }, res) => {
      if (body !== '{}') sending(200, { items: [], ...PAGE })({ path: '', headers: {}, body }, res);
    };
    const token = await tokenFor(api, sample);
    const held = Array.from({ length: 4 }, () => listClients({ token, leftMs: 6_000 }));
    await eventually(() => expect(asked).toHaveLength(4));
    const calls = [...held, ...Array.from({ length: 76 }, () => listClients({ token, leftMs: 2_000 }))];
    const neighbour = await installSample(api, (await api.tenant()).tenantId, { capabilities: CAPABILITIES });
    const beside = await ask('clients/list-clients', { search: 'a' }, { of: neighbour });
    expect([beside.status, asked.length]).toEqual([200, 5]);
    const ends = (await Promise.all(calls)).map(({ json }) => json['code']);
    const count = (code: string) => ends.filter((one) => one === code).length;
    expect({
      held: count('HOST_APPLICATION_FAILED'),
      waited: count('HOST_APPLICATION_UNAVAILABLE'),
      refused: count('CONCURRENCY_LIMITED'),
    }).toEqual({ held: 4, waited: 64, refused: 12 });
    expect(asked).toHaveLength(5);
  });

  it('is asked no more for an execution whose runner gave up', async () => {
    host.answer = frozen;
    const stop = new AbortController();
    const token = await tokenFor(api, sample);
    const call = fetch(`${api.internalUrl}/api/internal/host/clients/list-clients`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${RUNNER_CREDENTIAL}`,
        'x-execution-token': token,
        'x-deadline-ms': '60000',
        'content-type': 'application/json',
      },
      body: JSON.stringify({ call: 1, input: {} }),
      signal: stop.signal,
    });
    await eventually(() => expect(asked).toHaveLength(1));
    const before = await host.connections();
    stop.abort();
    await expect(call).rejects.toThrow();
    await eventually(async () => expect(await host.connections()).toBeLessThan(before));
  });
});

it('says so of a user who called', async () => {
  const user = { user_id: randomUUID(), user_email: '', user_name: '', user_type: 'internal' };
  const { context, limits } = executeRequest();
  const executionId = await seedExecution(api.db, tenantId, sample);
  const own = { tenant_id: tenantId, install_id: sample.installId, execution_id: executionId };
  const request = { context: { ...context, ...own, version_id: sample.versionId }, limits, user };
  await listClients({ token: makeExecutionToken(executionTokenKey(api.tokenKey), request, 1) });
  const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', api.url));
  const token = asked[0]?.headers.authorization?.replace('Bearer ', '') ?? '';
  expect((await jwtVerify(token, keys)).payload.sub).toBe(user.user_id);
});
