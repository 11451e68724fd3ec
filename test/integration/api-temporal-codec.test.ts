import { request as httpRequest, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Payload } from '@temporalio/common';
import { SecretValue } from '../../core/secret-value.ts';
import { createPayloadCodec } from '../../platform/temporal/payload-codec.ts';
import { seedTenant } from '../support/seed.ts';
import { startApi, type TestApi } from '../support/start-api.ts';

const UI = 'http://127.0.0.1:8233';
const CAPABILITY = 'capability-of-this-test-0123456789';
/** The key of `startApi`. */
const codec = createPayloadCodec([new SecretValue(Buffer.alloc(32, 1).toString('base64'))]);
const stranger = createPayloadCodec([new SecretValue(Buffer.alloc(32, 9).toString('base64'))]);
const STORY = 'Install alga.hello 0.1.0';
let api: TestApi;

beforeAll(async () => {
  api = await startApi('temporal_codec', () => ({
    TEMPORAL_UI_ORIGINS: UI,
    TEMPORAL_CODEC_CAPABILITY: CAPABILITY,
  }));
});
afterAll(() => api.close());

interface Asked {
  method?: string;
  headers?: Record<string, string>;
  body?: unknown;
}

/** Not by `fetch`, which chooses `Host` itself. */
async function ask(
  url: string,
  { method = 'POST', headers = {}, body }: Asked = {},
): Promise<{ status: number | undefined; headers: NodeJS.Dict<string | string[]>; text: string }> {
  const sent = httpRequest(url, { method, headers: { 'content-type': 'application/json', ...headers } });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    sent.on('response', resolve).on('error', reject);
  });
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  const response = await answered;
  return { status: response.statusCode, headers: response.headers, text: await text(response) };
}

function toJson({ metadata, data }: Payload): object {
  const base64 = (bytes: Uint8Array | null | undefined): string =>
    Buffer.from(bytes ?? []).toString('base64');
  const names = Object.entries(metadata ?? {}).map(([name, value]) => [name, base64(value)]);
  return { metadata: Object.fromEntries(names) as object, data: base64(data) };
}

async function encoded(by = codec): Promise<object> {
  const plain = {
    metadata: { encoding: Buffer.from('json/plain') },
    data: Buffer.from(JSON.stringify(STORY)),
  };
  return toJson((await by.encode([plain]))[0] ?? {});
}

const textsOf = (body: string): unknown[] =>
  (JSON.parse(body) as { payloads: { data: string }[] }).payloads.map(({ data }): unknown =>
    JSON.parse(Buffer.from(data, 'base64').toString()),
  );

const byCapability = (given: Asked = {}, capability = CAPABILITY) =>
  ask(`${api.internalUrl}/api/temporal/${capability}/decode`, {
    ...given,
    headers: { origin: UI, ...given.headers },
  });

describe('the codec endpoint by its capability', () => {
  it('decodes for a page of the Temporal UI, and lets that page read it', async () => {
    const answer = await byCapability({ body: { payloads: [await encoded()] } });
    expect(answer).toMatchObject({
      status: 200,
      headers: { 'access-control-allow-origin': UI, 'cache-control': 'no-store', vary: 'origin' },
    });
    expect(textsOf(answer.text)).toEqual([STORY]);
  });

  it('answers the preflight of that page alone', async () => {
    const asked = { 'access-control-request-method': 'POST' };
    const answer = await byCapability({ method: 'OPTIONS', headers: asked });
    expect(answer).toMatchObject({
      status: 204,
      headers: {
        'access-control-allow-origin': UI,
        'access-control-allow-methods': 'POST',
        'access-control-allow-headers': 'authorization, content-type, x-namespace',
      },
    });
    const elsewhere = await byCapability({
      method: 'OPTIONS',
      headers: { ...asked, origin: 'https://evil.example' },
    });
    expect(elsewhere.status).toBe(403);
    expect(elsewhere.headers).not.toHaveProperty('access-control-allow-origin');
  });

  it.each([
    ['a page of another origin', { origin: 'https://evil.example' }],
    ['a page without an origin of its own', { origin: 'null' }],
    ['a name that somebody made lead here', { host: 'rebound.example:8081' }],
    ['a proxy on this machine', { 'x-forwarded-for': '192.0.2.7' }],
  ])('refuses %s', async (_who, headers) => {
    const answer = await byCapability({ headers, body: { payloads: [await encoded()] } });
    expect(answer.status).toBe(403);
    expect(answer.text).not.toContain(STORY);
  });

  it('is nowhere for who does not have it, and not on the public listener at all', async () => {
    const body = { payloads: [await encoded()] };
    expect((await byCapability({ body }, CAPABILITY.toUpperCase())).status).toBe(404);
    const published = await ask(`${api.url}/api/temporal/${CAPABILITY}/decode`, {
      headers: { origin: UI },
      body,
    });
    expect(published.status).toBe(401);
  });

  it('decodes and does nothing else, and no line of the log names it', async () => {
    api.log.length = 0;
    const encode = await ask(`${api.internalUrl}/api/temporal/${CAPABILITY}/encode`, {
      headers: { origin: UI },
      body: { payloads: [] },
    });
    expect(encode.status).toBe(404);
    expect((await byCapability({ body: { payloads: 'x' } })).status).toBe(400);
    expect(api.log.join('\n')).not.toContain(CAPABILITY);
    expect(encode.text).not.toContain(CAPABILITY);
  });
});

describe('the codec endpoint by a key', () => {
  const decode = async (key: string, headers: Record<string, string> = {}) =>
    ask(`${api.url}/api/temporal/decode`, {
      headers: { authorization: `Bearer ${key}`, ...headers },
      body: { payloads: [await encoded()] },
    });

  it('is for operators, and lets pages of the Temporal UI alone read it', async () => {
    const tenantId = await seedTenant(api.db);
    const operator = await api.key(tenantId, ['platform:operate']);
    const answer = await decode(operator, { origin: UI });
    expect(answer).toMatchObject({ status: 200, headers: { 'access-control-allow-origin': UI } });
    expect(textsOf(answer.text)).toEqual([STORY]);
    const elsewhere = await decode(operator, { origin: 'https://evil.example' });
    expect(elsewhere.headers).not.toHaveProperty('access-control-allow-origin');
    const admin = await api.key(tenantId, ['tenant:admin', 'extension:install', 'extension:read']);
    expect((await decode(admin)).status).toBe(403);
    expect((await decode('none')).status).toBe(401);
  });

  it('answers a preflight, which has no key', async () => {
    const preflight = await ask(`${api.url}/api/temporal/decode`, {
      method: 'OPTIONS',
      headers: { origin: UI },
    });
    expect(preflight.status).toBe(204);
    const elsewhere = await ask(`${api.url}/api/temporal/decode`, {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example' },
    });
    expect(elsewhere.status).toBe(401);
  });

  it('says of a payload why it cannot be decoded, and decodes the others', async () => {
    const operator = await api.key(await seedTenant(api.db), ['platform:operate']);
    const answer = await ask(`${api.url}/api/temporal/decode`, {
      headers: { authorization: `Bearer ${operator}` },
      body: { payloads: [await encoded(stranger), await encoded(), { data: 'eA==', metadata: {} }] },
    });
    const { payloads } = JSON.parse(answer.text) as { payloads: { data: string }[] };
    expect(Buffer.from(payloads[0]?.data ?? '', 'base64').toString()).toMatch(
      /^"cannot be decoded: .* needs codec key/,
    );
    expect(Buffer.from(payloads[1]?.data ?? '', 'base64').toString()).toBe(JSON.stringify(STORY));
    expect(payloads[2]?.data).toBe('eA==');
  });
});
