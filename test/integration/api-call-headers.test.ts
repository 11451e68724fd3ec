import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import { installSample, startApi, type InstalledSample, type TestApi } from '../support/start-api.ts';

const ENDPOINTS = [
  { method: 'GET', path: '/notes/:id', handler: 'read' },
  { method: 'POST', path: '/notes', handler: 'write' },
  { method: 'POST', path: '/hook', handler: 'hook', headers: ['stripe-signature', 'accept'] },
];

let api: TestApi;
let tenantId: string;
let admin: string;
let sample: InstalledSample;
let root: string;

beforeAll(async () => {
  api = await startApi('api_call_headers');
  ({ tenantId, key: admin } = await api.tenant());
  sample = await installSample(api, tenantId, { api: { endpoints: ENDPOINTS } });
  root = `/api/ext/${sample.extensionId}`;
});
afterAll(() => api.close());
beforeEach(() => {
  api.runner.seen.length = 0;
  api.runner.reply = () => ({ body: 'hello', headers: { 'content-type': 'text/plain' } });
});

/** POSTs with header lines as they are; answers those that come back. */
async function requestOf(path: string, lines: string[]): Promise<string[]> {
  const { hostname, port } = new URL(api.url);
  const socket = connect(Number(port), hostname);
  socket.write([`POST ${path} HTTP/1.1`, 'host: x', 'connection: close', ...lines, '', ''].join('\r\n'));
  return (await text(socket)).split('\r\n\r\n')[0]?.split('\r\n') ?? [];
}

const last = () => {
  const seen = api.runner.seen.at(-1);
  if (!seen) throw new Error('the runner saw nothing');
  return seen;
};

describe('headers', () => {
  it('inward are those on the list alone', async () => {
    const secret = {
      cookie: 'session=1',
      'x-api-key': 'k',
      'x-forwarded-for': '1.2.3.4',
      origin: 'http://x',
    };
    await api.request('GET', `${root}/notes/1`, { key: admin, headers: { ...secret, accept: 'text/plain' } });
    const { headers } = last().request.http;
    expect(headers).toMatchObject({ accept: 'text/plain' });
    for (const name of [...Object.keys(secret), 'authorization', 'host', 'connection', 'x-request-id']) {
      expect(headers).not.toHaveProperty(name);
    }
    expect(JSON.stringify(last().request)).not.toContain(admin);
  });

  it('inward are those too that the endpoint asks for, each as often as it came', async () => {
    const path = `${root}/hook?a=1&b=2&a=1&a=%31`;
    const headers = { 'stripe-signature': 't=1, v1=2', cookie: 'a=1', accept: 'text/plain, text/html' };
    await api.request('POST', path, { key: admin, headers });
    const { http } = last().request;
    expect(http.query).toBe('a=1&b=2&a=1&a=%31');
    expect(http.headers).toMatchObject({ 'stripe-signature': 't=1, v1=2', accept: 'text/plain, text/html' });
    expect(http.headers).not.toHaveProperty('cookie');

    const lines = [
      'stripe-signature: t=1, v1=2',
      'Stripe-Signature: t=3',
      'content-type: a/b',
      'content-type: c/d',
    ];
    await requestOf(path, [`authorization: Bearer ${admin}`, ...lines]);
    expect(last().request.http.headers).toMatchObject({
      'stripe-signature': ['t=1, v1=2', 't=3'],
      'content-type': 'a/b',
    });

    await api.request('POST', `${root}/notes`, { key: admin, headers });
    expect(last().request.http.headers).not.toHaveProperty('stripe-signature');
  });

  it('inward are not those whose grant was withdrawn', async () => {
    const asking = {
      method: 'POST',
      path: '/hook',
      handler: 'hook',
      headers: ['stripe-signature', 'prefer'],
    };
    const other = await installSample(api, tenantId, { api: { endpoints: [asking] } });
    await api
      .db('tenant_extension_grant')
      .where({ install_id: other.installId, capability: 'headers.read' })
      .update({ scope: { names: ['prefer'] } });
    const seen = async (): Promise<object> => {
      const headers = { 'stripe-signature': 's', prefer: 'p' };
      await api.request('POST', `/api/ext/${other.extensionId}/hook`, { key: admin, headers });
      return last().request.http.headers;
    };
    expect(await seen()).toMatchObject({ prefer: 'p' });
    expect(await seen()).not.toHaveProperty('stripe-signature');
    await api
      .db('tenant')
      .where({ tenant_id: tenantId })
      .update({ capabilities_off: ['headers.read'] });
    await eventually(async () => expect(await seen()).not.toHaveProperty('prefer'));
    await api.db('tenant').where({ tenant_id: tenantId }).update({ capabilities_off: [] });
  });

  it('outward may come several times, and lead below the extension’s own root', async () => {
    api.runner.reply = () => ({
      status: 201,
      headers: {
        link: ['</a>; rel=next', '</b>; rel=prev'],
        location: './5?a=1',
        'set-cookie': ['a=1', 'b=2'],
      },
    });
    const lines = await requestOf(`${root}/notes`, [`authorization: Bearer ${admin}`]);
    expect(lines.filter((line) => /^(link|location|set-cookie)/i.test(line))).toEqual([
      'location: ./5?a=1',
      'link: </a>; rel=next',
      'link: </b>; rel=prev',
    ]);
  });

  it('outward are those on the list alone', async () => {
    api.runner.reply = () => ({
      headers: {
        'content-type': 'application/json',
        'cache-control': 'public, max-age=60, s-maxage=600',
        etag: '"1"',
        'set-cookie': 'a=1',
        location: 'https://elsewhere.test',
        'access-control-allow-origin': '*',
        'x-execution-id': 'forged',
        server: 'guest',
      },
    });
    const { headers } = await api.request('GET', `${root}/notes/1`, { key: admin });
    expect(headers.get('cache-control')).toBe('private, max-age=60');
    expect(headers.get('etag')).toBe('"1"');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('x-execution-id')).not.toBe('forged');
    for (const name of ['set-cookie', 'location', 'access-control-allow-origin', 'server', 'x-powered-by']) {
      expect(headers.get(name)).toBeNull();
    }
  });

  it.each([
    'text/html',
    'TEXT/HTML; charset=utf-8',
    'image/svg+xml',
    'application/xml',
    'application/xhtml+xml',
  ])('make %s a sandboxed attachment', async (type) => {
    api.runner.reply = () => ({ headers: { 'content-type': type }, body: '<script>1</script>' });
    const { headers } = await api.request('GET', `${root}/notes/1`, { key: admin });
    expect(headers.get('content-security-policy')).toBe("sandbox; default-src 'none'");
    expect(headers.get('content-disposition')).toBe('attachment');
  });

  it('take a type that is missing or ambiguous for plain bytes', async () => {
    for (const given of [
      {},
      { 'content-type': 'text/plain, text/html' },
      { 'content-type': ['text/plain', 'text/html'] },
    ]) {
      api.runner.reply = () => ({ headers: given, body: '<script>1</script>' });
      const { headers } = await api.request('GET', `${root}/notes/1`, { key: admin });
      expect(headers.get('content-type')).toBe('application/octet-stream');
    }
  });
});
