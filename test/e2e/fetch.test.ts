import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { addresses, startDnsServer, type DnsServer } from '../support/dns-server.ts';
import { eventually } from '../support/eventually.ts';
import { bundleOf, createTenant, expectStatus, install, publish } from '../support/extensions.ts';
import { startPlatform, type Answer, type TestPlatform } from '../support/platform.ts';

const WAIT = { prefer: 'wait=60' };
const OUTSIDE = '127.0.0.2';

describe('an extension that calls another system', () => {
  let dns: DnsServer;
  let server: Server;
  let platform: TestPlatform;
  let admin: string;
  let installId: string;
  let port: number;
  const seen: {
    method: string | undefined;
    url: string | undefined;
    headers: IncomingHttpHeaders;
    body: string;
  }[] = [];

  beforeAll(async () => {
    dns = await startDnsServer();
    server = createServer((req, res) => {
      const chunks: Buffer[] = [];
      req.on('data', (chunk: Buffer) => chunks.push(chunk));
      req.on('end', () => {
        const { method, url, headers } = req;
        seen.push({ method, url, headers, body: Buffer.concat(chunks).toString() });
        res.setHeader('x-from', 'outside').end('Grüße');
      });
    }).listen(0, OUTSIDE);
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
    dns.serve('api.example.com', addresses('api.example.com', OUTSIDE));
    dns.serve('other.example.com', addresses('other.example.com', OUTSIDE));
    dns.serve('private.example.com', addresses('private.example.com', '127.0.0.1'));
    platform = await startPlatform({
      EXT_EGRESS_UNSAFE_CIDRS: `${OUTSIDE}/32`,
      EXT_EGRESS_DNS_SERVERS: dns.address,
    });
    ({ admin } = platform.local.keys);
    expectStatus(await publish(platform, admin, await bundleOf('fetching', {}, 'quickjs')), 201);
  }, 900_000);
  afterAll(async () => {
    await platform.close();
    server.close();
    await dns.close();
  });

  const order = (sent: Record<string, unknown>): Promise<Answer> =>
    platform.request('POST', '/api/ext/alga.fetching/fetch', {
      key: admin,
      json: { method: 'GET', headers: [], ...sent },
    });
  const url = (host: string, rest = '/') => `http://${host}:${port}${rest}`;
  const consent = (json: unknown): Promise<Answer> =>
    platform.request('POST', `/api/v1/installs/${installId}/consent`, { key: admin, headers: WAIT, json });
  const log = (): string => readFileSync(path.join(platform.starter.dataDir, 'logs', 'runner.log'), 'utf8');

  it('waits until an admin names hosts: consent to all is not enough', async () => {
    const asked = await install(platform, admin, { extension: 'alga.fetching', consent: 'all' });
    expect(asked).toMatchObject({ status: 202, json: { pending: { waitingFor: 'consent' } } });
    ({ installId } = z.object({ installId: z.uuid() }).parse(asked.json));
    expect(await consent({ decision: 'grant' })).toMatchObject({
      status: 422,
      json: { code: 'CONSENT_INVALID' },
    });
  });

  it.each(['*.com', '*.co.uk', 'https://api.example.com', '127.1', 'api.example.com:99999'])(
    'cannot be given %s',
    async (host) => {
      const scope = { hosts: [host] };
      const capabilities = [{ capability: 'http.fetch', scope }];
      expect(await consent({ decision: 'grant', capabilities })).toMatchObject({
        status: 422,
        json: { code: 'CONSENT_INVALID' },
      });
    },
  );

  it('calls the hosts that an admin named', async () => {
    const hosts = [`*.example.com:${port}`];
    const granted = await consent({
      decision: 'grant',
      capabilities: [{ capability: 'http.fetch', scope: { hosts } }],
    });
    expect(granted).toMatchObject({
      status: 201,
      json: { status: 'active', grants: [{ capability: 'http.fetch', scope: { hosts } }] },
    });
    const sent = await order({
      method: 'POST',
      url: url('api.example.com', '/a?b=c'),
      headers: [
        { name: 'X-Key', value: 'k' },
        { name: 'Host', value: 'evil.example' },
      ],
      body: 'hello',
    });
    expect(sent.json).toMatchObject({ status: 200, body: 'Grüße' });
    expect(sent.json).toMatchObject({
      headers: expect.arrayContaining([{ name: 'x-from', value: 'outside' }]) as unknown,
    });
    expect(seen.at(-1)).toMatchObject({
      method: 'POST',
      url: '/a?b=c',
      headers: { 'x-key': 'k', host: `api.example.com:${port}` },
      body: 'hello',
    });
  });

  it('is kept from the rest, and its author reads why, but no query', async () => {
    const refused = {
      'not-allowed': [
        url('api.example.org', '/?key=hunter2'),
        url('private.example.com', '/?key=hunter2'),
        'http://api.example.com/?key=hunter2',
        'http://169.254.169.254/latest/meta-data/?key=hunter2',
      ],
      'invalid-url': ['file:///etc/passwd', `http://user:hunter2@api.example.com:${port}/`],
      transport: [url('missing.example.com', '/?key=hunter2')],
    };
    for (const [error, urls] of Object.entries(refused)) {
      for (const one of urls) expect((await order({ url: one })).json).toEqual({ error });
    }
    await eventually(() => {
      expect(log()).toContain(String.raw`{\"hosts\":[\"api.example.org:${port}\"]}`);
      expect(log()).toContain(
        `http.fetch to ${url('private.example.com', '')}: its host has an address that is not public`,
      );
      expect(log()).toContain(
        `http.fetch to ${url('missing.example.com', '')}: its name has no address (ENOTFOUND)`,
      );
    });
    expect(log()).not.toContain('hunter2');
  });

  it('sends no more requests in a call than it may', async () => {
    const before = seen.length;
    expect((await order({ url: url('api.example.com'), times: 105 })).json).toEqual({ error: 'internal' });
    expect(seen.length - before).toBe(100);
  });

  it('is kept from a host from the next call on, once its grant is narrowed', async () => {
    expect((await order({ url: url('other.example.com') })).json).toMatchObject({ status: 200 });
    const scope = { hosts: [`api.example.com:${port}`] };
    const narrowed = await platform.request('PUT', `/api/v1/installs/${installId}/grants`, {
      key: admin,
      headers: WAIT,
      json: { grants: [{ capability: 'http.fetch', scope }] },
    });
    expectStatus(narrowed, 200);
    expect((await order({ url: url('other.example.com') })).json).toEqual({ error: 'not-allowed' });
    expect((await order({ url: url('api.example.com') })).json).toMatchObject({ status: 200 });
  });

  it('may be given any public host, which is shown as such, and is the port of a scheme alone', async () => {
    const other = await createTenant(platform, 'Other');
    const scope = { hosts: ['*'] };
    const installed = await install(platform, other.key, {
      extension: 'alga.fetching',
      consent: [{ capability: 'http.fetch', scope }],
    });
    expect(installed).toMatchObject({ status: 201, json: { grants: [{ capability: 'http.fetch', scope }] } });
    const outcomes = [];
    for (const one of [url('api.example.com'), 'http://private.example.com/', 'http://api.example.com/']) {
      const sent = await platform.request('POST', '/api/ext/alga.fetching/fetch', {
        key: other.key,
        json: { method: 'GET', headers: [], url: one },
      });
      outcomes.push(sent.json);
    }
    // Nobody listens at the last one.
    expect(outcomes).toEqual([{ error: 'not-allowed' }, { error: 'not-allowed' }, { error: 'transport' }]);
  });

  it('is told of at the start, and counted', async () => {
    expect(log()).toContain('EXT_EGRESS_UNSAFE_CIDRS is set');
    const secrets = z
      .object({ tokens: z.object({ metrics: z.string() }) })
      .parse(JSON.parse(readFileSync(path.join(platform.starter.dataDir, 'secrets.json'), 'utf8')));
    const answer = await fetch(`${platform.local.runner}/metrics`, {
      headers: { authorization: `Bearer ${secrets.tokens.metrics}` },
    });
    const metrics = await answer.text();
    expect(metrics).toMatch(/alga_runner_egress_requests_total\{outcome="answered"\} \d+/);
    expect(metrics).toMatch(/alga_runner_egress_requests_total\{outcome="not-allowed"\} 7/);
    expect(metrics).toMatch(/alga_runner_egress_bytes_total\{direction="sent"\} [1-9]\d+/);
  });
});
