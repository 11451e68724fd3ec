import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { addresses } from '../../support/dns-server.ts';
import { OUTSIDE, startEgressWorld, type EgressWorld } from '../../support/egress-world.ts';

// Where a server leads is checked as if the guest had asked for it, and takes no key along.

let world: EgressWorld;

beforeAll(async () => {
  world = await startEgressWorld();
  world.dns.serve('other.secure.test', addresses('other.secure.test', OUTSIDE));
  world.dns.serve('localhost', addresses('localhost', '127.0.0.1'));
  world.routes['/to'] = (req, res) => {
    const to = new URL(req.url ?? '', 'http://any.test').searchParams;
    res.writeHead(Number(to.get('status') ?? 302), { location: to.get('location') ?? '' }).end('led on');
  };
  world.routes['/show'] = (req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const { method, headers } = req;
      res.end(JSON.stringify({ method, headers, body: Buffer.concat(chunks).toString() }));
    });
  };
});
afterAll(() => world.close());

const http = (path: string, host = 'public.test') => `http://${host}:${world.port}${path}`;
const https = (path: string, host = 'secure.test') => `https://${host}:${world.tlsPort}${path}`;
const to = (location: string, status = 302) =>
  `/to?${new URLSearchParams({ location, status: String(status) }).toString()}`;

interface Shown {
  method: string;
  headers: Record<string, string>;
  body: string;
}

async function shown(url: string, request: Parameters<EgressWorld['send']>[0] | object = {}): Promise<Shown> {
  const { ok, message } = await world.send({ ...request, url });
  if (!ok) throw new Error(message);
  return JSON.parse(Buffer.from(ok.body).toString()) as Shown;
}

describe('a redirect into what is private', () => {
  it.each([
    ['a name', () => http('/', 'private.test')],
    ['the address', () => http('/', '127.0.0.1')],
    ['the address as one number', () => http('/', '2130706433')],
    ['the address in hexadecimal', () => http('/', '0x7f.1')],
    ['localhost', () => http('/', 'localhost')],
    ['no scheme', () => `//127.0.0.1:${world.port}/`],
    ['backslashes', () => `\\\\127.0.0.1:${world.port}\\`],
    ['three slashes', () => `http:///127.0.0.1:${world.port}/`],
    ['the scheme in capitals', () => `HTTP://127.0.0.1:${world.port}/`],
    ['full-width digits', () => `http://%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1:${world.port}/`],
  ])('by %s is refused', async (_how, location) => {
    expect(await world.send({ url: http(to(location())) })).toMatchObject({
      refused: 'EGRESS_NOT_ALLOWED address',
    });
  });

  it.each([
    ['the metadata of clouds', 'http://169.254.169.254/latest/meta-data/'],
    ['loopback in IPv6', 'http://[::1]/'],
    ['IPv4 within IPv6', 'http://[::ffff:127.0.0.1]/'],
    ['NAT64', 'http://[64:ff9b::7f00:1]/'],
  ])('at %s is refused, also to a grant of any public host', async (_what, location) => {
    const hosts = ['*', `public.test:${world.port}`];
    expect(await world.send({ url: http(to(location)) }, { hosts })).toMatchObject({
      refused: 'EGRESS_NOT_ALLOWED address',
    });
  });

  it('from https is refused', async () => {
    const location = https('/', 'private.test');
    expect(await world.send({ url: https(to(location)) })).toMatchObject({
      refused: 'EGRESS_NOT_ALLOWED address',
    });
  });

  it.each([301, 302, 303, 307, 308])('is refused for status %i', async (status) => {
    expect(await world.send({ url: http(to(http('/', 'private.test'), status)) })).toMatchObject({
      refused: 'EGRESS_NOT_ALLOWED address',
    });
  });

  it('is refused after others that were not', async () => {
    const url = http(to(http(to(http(to(http('/', 'private.test')))))));
    expect(await world.send({ url })).toMatchObject({ refused: 'EGRESS_NOT_ALLOWED address' });
  });

  it('is refused where the same name was public a moment ago', async () => {
    world.dns.serve('turning.test', (type, nth) =>
      addresses('turning.test', nth === 1 ? OUTSIDE : '127.0.0.1')(type, nth),
    );
    world.routes['/turn'] = (_req, res) => {
      res.writeHead(302, { location: '/again', connection: 'close' }).end();
    };
    expect(await world.send({ url: http('/turn', 'turning.test') })).toMatchObject({
      refused: 'EGRESS_NOT_ALLOWED address',
    });
  });
});

describe('a redirect to what was not granted', () => {
  it('by another host is refused', async () => {
    expect(await world.send({ url: http(to('http://elsewhere.example/')) })).toMatchObject({
      refused: 'EGRESS_NOT_ALLOWED grant',
    });
  });

  it('by another port is refused', async () => {
    expect(await world.send({ url: http(to('http://public.test:6379/')) })).toMatchObject({
      refused: 'EGRESS_NOT_ALLOWED grant',
    });
  });

  it('by the port of the scheme is refused, where the grant names another', async () => {
    expect(await world.send({ url: http(to('http://public.test/')) })).toMatchObject({
      refused: 'EGRESS_NOT_ALLOWED grant',
    });
  });

  it('by a host that the operator does not allow is refused', async () => {
    const through = world.guard({ allowlist: [`public.test:${world.port}`] });
    expect(await world.send({ url: http(to(http('/', 'second.test'))) }, { through })).toMatchObject({
      refused: 'EGRESS_NOT_ALLOWED operator',
    });
  });

  it.each([
    'file:///etc/passwd',
    'ftp://public.test/',
    'data:text/plain,a',
    'ws://public.test/',
    'javascript:1',
  ])('as %s is refused', async (location) => {
    expect(await world.send({ url: http(to(location)) })).toMatchObject({ refused: 'EGRESS_INVALID' });
  });

  it('with a name and a password in it is refused', async () => {
    const location = `http://user:password@public.test:${world.port}/`;
    expect(await world.send({ url: http(to(location)) })).toMatchObject({ refused: 'EGRESS_INVALID' });
  });

  it('from https to http is refused', async () => {
    expect(await world.send({ url: https(to(http('/'))) })).toMatchObject({
      refused: 'EGRESS_NOT_ALLOWED redirect',
    });
  });
});

describe('redirects without end', () => {
  it('to themselves are given up', async () => {
    world.routes['/loop'] = (_req, res) => res.writeHead(302, { location: '/loop' }).end();
    world.seen.splice(0);
    expect(await world.send({ url: http('/loop') })).toMatchObject({ refused: 'EGRESS_FAILED' });
    expect(world.seen).toHaveLength(6);
  });

  it('between two hosts are given up', async () => {
    world.dns.serve('second.test', addresses('second.test', OUTSIDE));
    world.routes['/ping'] = (_req, res) =>
      res.writeHead(307, { location: http('/pong', 'second.test') }).end();
    world.routes['/pong'] = (_req, res) => res.writeHead(307, { location: http('/ping') }).end();
    expect(await world.send({ url: http('/ping') })).toMatchObject({ refused: 'EGRESS_FAILED' });
  });

  it('of five steps are followed to their end', async () => {
    let url = http('/show');
    for (let step = 0; step < 5; step += 1) url = http(to(url));
    expect(await shown(url)).toMatchObject({ method: 'GET' });
  });
});

describe('a redirect that is followed', () => {
  const body = Buffer.from('{"a":1}');
  const headers = [
    { name: 'Authorization', value: 'Bearer hunter2' },
    { name: 'Cookie', value: 'session=hunter2' },
    { name: 'X-Api-Key', value: 'hunter2' },
    { name: 'Content-Type', value: 'application/json' },
    { name: 'Accept', value: 'application/json' },
  ];

  it('within an origin takes its headers along', async () => {
    const { headers: sent } = await shown(http(to('/show')), { headers });
    expect(sent).toMatchObject({
      authorization: 'Bearer hunter2',
      cookie: 'session=hunter2',
      'x-api-key': 'hunter2',
    });
  });

  it.each([
    ['host', () => [http(to(http('/show', 'second.test'))), ''] as const],
    ['scheme', () => [http(to(https('/show'))), ''] as const],
    ['host, of the same certificate', () => [https(to(https('/show', 'other.secure.test'))), ''] as const],
  ])('to another %s takes no key along', async (_what, urls) => {
    world.dns.serve('second.test', addresses('second.test', OUTSIDE));
    const { headers: sent } = await shown(urls()[0], { headers });
    expect(sent).toMatchObject({ accept: 'application/json', 'content-type': 'application/json' });
    expect(JSON.stringify(sent)).not.toContain('hunter2');
  });

  it.each([
    [301, 'POST', 'GET', ''],
    [302, 'POST', 'GET', ''],
    [303, 'POST', 'GET', ''],
    [303, 'PUT', 'GET', ''],
    [301, 'PUT', 'PUT', '{"a":1}'],
    [302, 'DELETE', 'DELETE', '{"a":1}'],
    [307, 'POST', 'POST', '{"a":1}'],
    [308, 'POST', 'POST', '{"a":1}'],
  ])('with status %i turns %s into %s', async (status, method, becomes, sent) => {
    const got = await shown(http(to('/show', status)), { method, headers, body });
    expect(got).toMatchObject({ method: becomes, body: sent });
    expect('content-type' in got.headers).toBe(sent !== '');
  });

  it('leads a HEAD on as one', async () => {
    expect((await world.send({ url: http(to('/show', 303)), method: 'HEAD' })).ok?.status).toBe(200);
    expect(world.seen.at(-1)).toBe('HEAD public.test /show');
  });

  it.each([300, 304, 305, 306])('is none with status %i', async (status) => {
    expect((await world.send({ url: http(to(http('/', 'private.test'), status)) })).ok?.status).toBe(status);
  });

  it('is none without a place to go', async () => {
    world.routes['/nowhere'] = (_req, res) => res.writeHead(302).end();
    expect((await world.send({ url: http('/nowhere') })).ok?.status).toBe(302);
  });
});

describe('the server inside', () => {
  it('was connected to by nobody', () => {
    expect(world.intrusions).toEqual([]);
  });
});
