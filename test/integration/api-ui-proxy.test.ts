import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { HOST_FRAME_TYPE } from '../../core/api/host-storage.ts';
import { decodeFrame, encodeFrame } from '../../core/execute-frame.ts';
import { hostTokenKey, sending, startAnsweringHost, type AnsweringHost } from '../support/answering-host.ts';
import { tokenFor } from '../support/host-storage.ts';
import {
  installSample,
  RUNNER_CREDENTIAL,
  startApi,
  type InstalledSample,
  type TestApi,
} from '../support/start-api.ts';

let host: AnsweringHost;
let asked: AnsweringHost['asked'];
let api: TestApi;
let tenantId: string;
let sample: InstalledSample;
let baseUrl: string;
beforeAll(async () => {
  host = await startAnsweringHost();
  ({ asked } = host);
  baseUrl = `${host.url}/api/extensions`;
  api = await startApi('api_ui_proxy', () => ({
    UI_PROXY_BASE_URL: `${baseUrl}/routes`,
    UI_PROXY_AUTH_KEY: 'proxy-key',
    HOST_TOKEN_PRIVATE_KEY: hostTokenKey().privateKey,
  }));
  ({ tenantId } = await api.tenant());
  sample = await installSample(api, tenantId, {
    capabilities: [{ name: 'ui.proxy', scope: { routes: ['/tickets/list'] } }],
  });
});
afterAll(async () => {
  host.close();
  await api.close();
});
beforeEach(() => {
  asked.length = 0;
  host.answer = sending(200, {});
});

describe('routes of the host application', () => {
  async function callRoute(route: string, payload?: Uint8Array, of = sample) {
    const response = await fetch(`${api.internalUrl}/api/internal/host/ui-proxy/call-route`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${RUNNER_CREDENTIAL}`,
        'x-execution-token': await tokenFor(api, of),
        'x-deadline-ms': '5000',
        'content-type': payload ? HOST_FRAME_TYPE : 'application/json',
        accept: HOST_FRAME_TYPE,
      },
      body: payload ? Buffer.concat(encodeFrame({ route }, payload)) : JSON.stringify({ route }),
    });
    const bytes = new Uint8Array(await response.arrayBuffer());
    return { status: response.status, text: Buffer.from(decodeFrame(bytes)?.body ?? bytes).toString() };
  }

  it('are called with the payload, the key and the token', async () => {
    host.answer = (_asked, res) => void res.end('anything');
    expect(await callRoute('/tickets/list', Buffer.from('{"open":true}'))).toEqual({
      status: 200,
      text: 'anything',
    });
    expect(await callRoute('/tickets/list')).toEqual({ status: 200, text: 'anything' });
    expect(asked.map(({ path, body }) => [path, body])).toEqual([
      ['/api/extensions/routes/tickets/list', '{"open":true}'],
      ['/api/extensions/routes/tickets/list', ''],
    ]);
    expect(asked[0]?.headers).toMatchObject({
      'x-runner-auth': 'proxy-key',
      'content-type': 'application/json',
    });
    const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', api.url));
    const token = asked[0]?.headers.authorization?.replace('Bearer ', '') ?? '';
    const { payload } = await jwtVerify(token, keys, { audience: `${baseUrl}/routes` });
    expect(payload).toMatchObject({ tenant: tenantId, call: 'tickets/list' });
  });

  it.each([
    '/tickets',
    '/tickets/list/../../clients/list-clients',
    '/tickets/list/..%2f..',
    '/tickets/list?x',
    '/tickets/list#x',
    '//elsewhere.example/tickets/list',
    '/tickets\\list',
    '/tickets/list ',
    '/tickets/list\r\nx-runner-auth: mine',
    'http://elsewhere.example/',
    '',
  ])('are denied in any spelling that the grant does not have: %j', async (route) => {
    expect(await callRoute(route)).toMatchObject({ status: 403 });
    expect(asked).toEqual([]);
  });

  it('are denied in a spelling of more than one meaning, though a grant should have it', async () => {
    const of = await installSample(api, tenantId, { capabilities: ['ui.proxy'] });
    const route = '/tickets/../clients/list-clients';
    expect(await callRoute('/tickets/list', undefined, of)).toMatchObject({ status: 403 });
    await api
      .db('tenant_extension_grant')
      .where({ install_id: of.installId, capability: 'ui.proxy' })
      .update({ scope: JSON.stringify({ routes: [route] }) });
    expect(await callRoute(route, undefined, of)).toMatchObject({ status: 403 });
    expect(asked).toEqual([]);
  });

  it('take no more than the limit, and answer no more', async () => {
    expect(await callRoute('/tickets/list', Buffer.alloc(256 * 1024 + 1))).toMatchObject({ status: 413 });
    expect(asked).toEqual([]);
    host.answer = (_asked, res) => void res.end(Buffer.alloc(1024 * 1024 + 1));
    expect(await callRoute('/tickets/list', new Uint8Array())).toMatchObject({ status: 502 });
  });
});
