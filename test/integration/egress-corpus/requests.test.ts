import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { addresses } from '../../support/dns-server.ts';
import { OUTSIDE, startEgressWorld, type EgressWorld } from '../../support/egress-world.ts';

// What a guest asks for: it becomes one well-formed request to a granted host, or none at all.

let world: EgressWorld;

beforeAll(async () => {
  world = await startEgressWorld();
});
beforeEach(() => {
  world.seen.splice(0);
});
afterAll(() => world.close());

const raw = () => `http://public.test:${world.port}/raw`;

describe('a scheme', () => {
  it.each([
    'data:text/plain,hello',
    'file:///etc/passwd',
    'file://public.test/etc/passwd',
    'ftp://public.test/',
    'gopher://public.test:70/_x',
    'ws://public.test/',
    'wss://public.test/',
    'unix:/var/run/docker.sock',
    'http+unix://%2Fvar%2Frun%2Fdocker.sock/',
    'jar:http://public.test/!/',
    'javascript:fetch("/")',
    'blob:http://public.test/1',
    'about:blank',
    'view-source:http://public.test/',
    '//public.test/',
    '/path',
    'public.test',
    '',
    'http://',
    'http:///',
    'http://:80/',
    'http://?',
    'https://#',
  ])('%s is refused', async (url) => {
    expect(await world.send({ url }, { hosts: ['*', '*.test'] })).toMatchObject({
      refused: 'EGRESS_INVALID',
    });
    expect(world.seen).toEqual([]);
  });
});

describe('a name of no public host', () => {
  it.each([
    ...['localhost', 'LOCALHOST', 'a.localhost', 'a.b.localhost', 'localhost.localdomain', 'printer.local'],
    ...['metadata.google.internal', 'db.internal', 'intranet', 'router.lan', 'nas.home.arpa', 'kubernetes'],
    ...['kubernetes.default.svc.cluster.local', 'ip-10-0-0-1.ec2.internal', 'wiki.intranet'],
  ])('%s is refused before anybody is asked for it', async (name) => {
    const through = world.guard({ unsafeCidrs: [] });
    world.dns.asked.splice(0);
    expect(await world.send({ url: `http://${name}/` }, { through, hosts: ['*'] })).toMatchObject({
      refused: 'EGRESS_NOT_ALLOWED address',
    });
    expect(world.dns.asked).toEqual([]);
  });

  it.each([
    'localhost.',
    'private.test.',
    'private.test..',
    '127.0.0.1..',
    '.private.test',
    'a..private.test',
  ])('%s is no host', async (name) => {
    const url = `http://${name}:${world.port}/`;
    expect((await world.send({ url })).refused).toMatch(/^EGRESS_(INVALID|NOT_ALLOWED grant)$/);
  });
});

describe('a host that only looks like a granted one', () => {
  const hosts = () => [`granted.test:${world.port}`, `*.below.test:${world.port}`];

  it.each([
    ['with the granted one before it', 'granted.test.evil.example'],
    ['with the granted one behind it', 'evilgranted.test'],
    ['below the granted one', 'a.granted.test'],
    ['above a wildcard', 'below.test'],
    ['that ends as a wildcard does', 'evilbelow.test'],
    ['with a Cyrillic letter', 'grаnted.test'],
    ['with a dotless i', 'grantedı.test'],
    ['with a soft hyphen and another letter', 'g\u00adranted2.test'],
    ['with a fraction slash', 'evil.example\u2044.granted.test'],
    ['in punycode of other letters', 'xn--grnted-2nf.test'],
    ['with an underscore', 'granted_.test'],
  ])('%s is refused', async (_what, name) => {
    const url = `http://${name}:${world.port}/`;
    expect((await world.send({ url }, { hosts: hosts() })).refused).toMatch(
      /^EGRESS_(NOT_ALLOWED grant|INVALID)$/,
    );
    expect(world.seen).toEqual([]);
  });

  it.each([
    ['as user', (at: string) => `http://granted.test@${at}/`],
    ['as user and port', (at: string) => `http://granted.test:80@${at}/`],
    ['as user, encoded', (at: string) => `http://granted.test%40@${at}/`],
    ['behind a hash', (at: string) => `http://${at}#@granted.test/`],
    ['behind a question mark', (at: string) => `http://${at}?@granted.test/`],
    ['behind a backslash', (at: string) => `http://${at}\\@granted.test/`],
    ['behind a slash', (at: string) => `http://${at}/@granted.test/`],
    ['behind an encoded slash', (at: string) => `http://${at}%2f@granted.test/`],
    ['before a space', (at: string) => `http://granted.test ${at}/`],
    ['before a line break', (at: string) => `http://granted.test\r\n${at}/`],
    ['before a null', (at: string) => `http://granted.test\0${at}/`],
    ['before an encoded null', (at: string) => `http://granted.test%00${at}/`],
  ])('that has the granted one %s is refused', async (_where, url) => {
    const sent = await world.send({ url: url(`private.test:${world.port}`) }, { hosts: hosts() });
    expect(sent.refused).toMatch(/^EGRESS_(NOT_ALLOWED grant|INVALID)$/);
    expect(world.seen).toEqual([]);
  });

  it.each(['GRANTED.test', 'gr%61nted.test', 'ｇｒａｎｔｅｄ.test', 'granted。test', 'gran\u00adted.test'])(
    'and is the granted one, written %s, is asked for by its own name',
    async (name) => {
      world.dns.serve('granted.test', addresses('granted.test', OUTSIDE));
      const { ok } = await world.send({ url: `http://${name}:${world.port}/` }, { hosts: hosts() });
      expect(ok?.status).toBe(200);
      expect(world.seen).toEqual(['GET granted.test /']);
    },
  );
});

describe('a port', () => {
  it.each([0, 1, 22, 25, 80, 443, 3306, 5432, 6379, 11211, 65535])(
    '%i is refused where the grant names another',
    async (port) => {
      expect(await world.send({ url: `http://public.test:${port}/` })).toMatchObject({
        refused: 'EGRESS_NOT_ALLOWED grant',
      });
    },
  );

  it.each([22, 25, 6379, 8080])('%i is refused to a grant of any public host', async (port) => {
    expect(await world.send({ url: `http://public.test:${port}/` }, { hosts: ['*'] })).toMatchObject({
      refused: 'EGRESS_NOT_ALLOWED grant',
    });
  });

  it.each(['65536', '99999999999', '-1', '8o', '80:80', '٨٠', '0x50'])('%s is none', async (port) => {
    expect((await world.send({ url: `http://public.test:${port}/` })).refused).toBe('EGRESS_INVALID');
  });

  it('with zeros before it is the same port', async () => {
    expect((await world.send({ url: `http://public.test:00${world.port}/` })).ok?.status).toBe(200);
  });
});

describe('a URL', () => {
  it.each([
    ['a line break in its path', '/a\r\nX-Evil: 1'],
    ['a line break in its query', '/?a=\r\n\r\nGET /evil HTTP/1.1'],
    ['a lone carriage return', '/a\rb'],
    ['a lone line feed', '/a\nb'],
    ['a tab', '/a\tb'],
    ['a null', '/a\0b'],
    ['a space', '/a b HTTP/1.1'],
    ['a delete', '/a\x7fb'],
  ])('with %s is refused', async (_what, path) => {
    expect(await world.send({ url: `http://public.test:${world.port}${path}` })).toMatchObject({
      refused: 'EGRESS_INVALID',
    });
    expect(world.seen).toEqual([]);
  });

  it.each([
    ['encoded line breaks', '/a%0d%0aX-Evil:%201', '/a%0d%0aX-Evil:%201'],
    ['a line separator', '/a\u2028b', '/a%E2%80%A8b'],
    ['letters that end in CR and LF when they are cut to bytes', '/\u010d\u010a', '/%C4%8D%C4%8A'],
    ['half of a pair', '/\ud800', '/%EF%BF%BD'],
  ])('with %s is one request', async (_what, path, sent) => {
    expect((await world.send({ url: `http://public.test:${world.port}${path}` })).ok?.status).toBe(200);
    expect(world.seen).toEqual([`GET public.test ${sent}`]);
  });

  it('leaves its fragment at home', async () => {
    await world.send({ url: `http://public.test:${world.port}/a?b#secret` });
    expect(world.seen).toEqual(['GET public.test /a?b']);
  });

  it('that is longer than 8 KiB is refused', async () => {
    expect(await world.send({ url: `http://public.test:${world.port}/${'a'.repeat(8192)}` })).toMatchObject({
      refused: 'EGRESS_INVALID',
    });
  });

  it('with a name or a password is refused, and neither is told', async () => {
    for (const who of ['user', 'user:hunter2', ':hunter2']) {
      const { refused, message } = await world.send({ url: `http://${who}@public.test:${world.port}/` });
      expect(refused).toBe('EGRESS_INVALID');
      expect(message).not.toContain('hunter2');
    }
  });
});

describe('the list of the operator', () => {
  it('narrows what was granted', async () => {
    const through = world.guard({ allowlist: ['elsewhere.example'] });
    expect(await world.send({ url: raw() }, { through })).toMatchObject({
      refused: 'EGRESS_NOT_ALLOWED operator',
    });
  });

  it('that is empty leaves nothing', async () => {
    const through = world.guard({ allowlist: [] });
    expect(await world.send({ url: raw() }, { through })).toMatchObject({
      refused: 'EGRESS_NOT_ALLOWED operator',
    });
  });

  it('grants nothing by itself', async () => {
    const through = world.guard({ allowlist: [`public.test:${world.port}`] });
    expect(await world.send({ url: raw() }, { through, hosts: [] })).toMatchObject({
      refused: 'EGRESS_NOT_ALLOWED grant',
    });
    expect((await world.send({ url: raw() }, { through })).ok?.status).toBe(200);
  });
});

describe('the server inside', () => {
  it('was connected to by nobody', () => {
    expect(world.intrusions).toEqual([]);
  });
});
