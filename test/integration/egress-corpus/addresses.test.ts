import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { addresses } from '../../support/dns-server.ts';
import { OUTSIDE, startEgressWorld, type EgressWorld } from '../../support/egress-world.ts';

// No address that is not public is connected to, however it is written or found.

let world: EgressWorld;

beforeAll(async () => {
  world = await startEgressWorld();
});
afterAll(() => world.close());

/** One address of every special range, at its edges where they are close to public ones. */
const SPECIAL_V4 = [
  ...['0.0.0.0', '0.0.0.1', '0.255.255.255', '10.0.0.0', '10.255.255.255', '100.64.0.0', '100.127.255.255'],
  ...['100.100.100.200', '127.0.0.0', '127.0.0.1', '127.255.255.255', '168.63.129.16', '169.254.0.0'],
  ...['169.254.169.254', '169.254.170.2', '169.254.255.255', '172.16.0.0', '172.31.255.255', '192.0.0.0'],
  ...['192.0.0.8', '192.0.0.192', '192.0.2.1', '192.31.196.1', '192.52.193.1', '192.88.99.1', '192.168.0.0'],
  ...['192.168.255.255', '192.175.48.1', '198.18.0.0', '198.19.255.255', '198.51.100.1', '203.0.113.1'],
  ...['224.0.0.0', '224.0.0.1', '239.255.255.255', '240.0.0.0', '255.255.255.254', '255.255.255.255'],
];
const SPECIAL_V6 = [
  ...['::', '::1', '::127.0.0.1', '::7f00:1', '::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:8.8.8.8'],
  ...['::ffff:0:127.0.0.1', '64:ff9b::127.0.0.1', '64:ff9b::7f00:1', '64:ff9b::8.8.8.8', '64:ff9b:1::7f00:1'],
  ...[
    '64:ff9b:1:fffe::10.0.0.1',
    '100::',
    '100::1',
    '100:0:0:1::1',
    '2001::1',
    '2001:0:7f00:1::',
    '2001:2::1',
  ],
  ...['2001:1::1', '2001:3::1', '2001:10::1', '2001:20::1', '2001:30::1', '2001:db8::1', '2002:7f00:1::'],
  ...[
    '2002:7f00:1::1',
    '2002:a9fe:a9fe::',
    '2620:4f:8000::1',
    '3ffe::1',
    '3fff::1',
    '3fff:fff::1',
    '4000::1',
  ],
  ...['5f00::1', 'fc00::1', 'fd00::1', 'fd00:ec2::254', 'fd20:ce::254', 'fdff:ffff::1', 'fe80::1', 'febf::1'],
  ...['fec0::1', 'feff::1', 'ff00::1', 'ff02::1', 'ff05::2'],
];

describe('an address in a URL', () => {
  it.each(SPECIAL_V4)('%s is refused', async (address) => {
    const hosts = [`${address}:${world.port}`];
    expect(await world.send({ url: `http://${address}:${world.port}/` }, { hosts })).toMatchObject({
      refused: 'EGRESS_NOT_ALLOWED address',
    });
  });

  it.each(SPECIAL_V6)('[%s] is refused, also to a grant of any public host', async (address) => {
    expect(await world.send({ url: `http://[${address}]/` }, { hosts: ['*'] })).toMatchObject({
      refused: 'EGRESS_NOT_ALLOWED address',
    });
  });

  it.each(['[fe80::1%25lo]', '[::1%25eth0]', '[::1%lo]', '[::1', '::1', '[::ffff:127.0.0.1.1]'])(
    '%s is no URL',
    async (host) => {
      expect(await world.send({ url: `http://${host}/` }, { hosts: ['*'] })).toMatchObject({
        refused: 'EGRESS_INVALID',
      });
    },
  );

  // All of them are 127.0.0.1, to the WHATWG standard at least.
  const SPELLINGS = [
    ...['127.0.0.1', '2130706433', '0x7f000001', '0X7F000001', '017700000001', '127.1', '127.0.1', '0x7f.1'],
    ...['0177.0.0.1', '0x7f.0x0.0x0.0x1', '0177.0x0.0.01', '127.0x1', '0000177.00.00.01', '127.0.0.0x1'],
    ...['127.00000000000000000000000.0.1', '127.0.0.1.', '2130706433.', '0x7f.1.', '%31%32%37.0.0.1'],
    ...['127%2e0%2E0.1', '127。0。0。1', '127．0．0．1', '127｡0｡0｡1', '①②⑦.⓪.⓪.①', '１２７.０.０.１'],
    ...['𝟏𝟐𝟕.𝟎.𝟎.𝟏', '0ₓ7f.1', '¹²⁷.⁰.⁰.¹', '127.0.0.¹'],
  ];

  describe.each(SPELLINGS)('written %s', (spelling) => {
    const url = () => `http://${spelling}:${world.port}/`;

    it('is refused', async () => {
      const { refused } = await world.send({ url: url() });
      expect(refused).toMatch(/^EGRESS_(NOT_ALLOWED (address|grant)|INVALID)$/);
    });

    it('is refused to a grant of any public host, at the port of its scheme', async () => {
      const { refused } = await world.send({ url: `http://${spelling}/` }, { hosts: ['*'] });
      expect(refused).toMatch(/^EGRESS_(NOT_ALLOWED address|INVALID)$/);
    });
  });

  it.each([
    '256.0.0.1',
    '127.0.0.256',
    '127.0.0.1.1',
    '1.2.3.08',
    '4294967296',
    '127.0..1',
    '0x7f.0x',
    '.127.0.0.1',
  ])('written %s reaches nothing', async (spelling) => {
    const { ok, refused } = await world.send({ url: `http://${spelling}:${world.port}/` });
    expect(ok).toBeUndefined();
    expect(refused).toMatch(/^EGRESS_(NOT_ALLOWED grant|INVALID)$/);
  });

  it('is reached where the operator opened it: the others are refused by rule, and not by accident', async () => {
    const through = world.guard({ unsafeCidrs: ['127.0.0.0/8'] });
    const routed = await world.send({ url: `http://2130706434:${world.port}/` }, { through });
    expect(routed.ok?.body.toString()).toBe('outside');
  });
});

describe('an address from DNS', () => {
  it.each([...SPECIAL_V4, ...SPECIAL_V6])('%s is refused', async (address) => {
    world.dns.serve('special.test', addresses('special.test', address));
    expect(await world.send({ url: `http://special.test:${world.port}/` })).toMatchObject({
      refused: 'EGRESS_NOT_ALLOWED address',
    });
  });

  it.each([
    ['last', [OUTSIDE, '127.0.0.1']],
    ['first', ['127.0.0.1', OUTSIDE]],
    ['in the middle', [OUTSIDE, '10.0.0.1', OUTSIDE]],
    ['of the other family', [OUTSIDE, '::1']],
    ['of the other family, as IPv4 within IPv6', [OUTSIDE, '::ffff:127.0.0.1']],
  ])('is refused beside a public one: %s', async (_place, answers) => {
    world.dns.serve('mixed.test', addresses('mixed.test', ...answers));
    expect(await world.send({ url: `http://mixed.test:${world.port}/` })).toMatchObject({
      refused: 'EGRESS_NOT_ALLOWED address',
    });
  });

  it('is refused behind another name (CNAME)', async () => {
    world.dns.serve('alias.test', (type) => [
      { name: 'alias.test', type: 'CNAME', ttl: 0, data: 'private.test' },
      ...(type === 'A' ? [{ name: 'private.test', type, ttl: 0, data: '127.0.0.1' } as const] : []),
    ]);
    expect(await world.send({ url: `http://alias.test:${world.port}/` })).toMatchObject({
      refused: 'EGRESS_NOT_ALLOWED address',
    });
  });

  it('is refused behind a chain of names', async () => {
    const chain = ['a.test', 'b.test', 'c.test', 'd.test'];
    world.dns.serve('a.test', (type) => [
      ...chain.slice(1).map((data, at) => ({ name: chain[at] ?? '', type: 'CNAME' as const, ttl: 0, data })),
      ...(type === 'A' ? [{ name: 'd.test', type, ttl: 0, data: '127.0.0.1' } as const] : []),
    ]);
    expect(await world.send({ url: `http://a.test:${world.port}/` })).toMatchObject({
      refused: 'EGRESS_NOT_ALLOWED address',
    });
  });

  it('is asked for once for a request: that a second answer would be private changes nothing', async () => {
    world.dns.serve('rebinding.test', (type, nth) =>
      addresses('rebinding.test', nth === 1 ? OUTSIDE : '127.0.0.1')(type, nth),
    );
    const { ok } = await world.send({ url: `http://rebinding.test:${world.port}/` });
    expect(ok?.body.toString()).toBe('outside');
    expect(world.dns.asked.filter((line) => line === 'A rebinding.test')).toHaveLength(1);
  });

  it('is asked for again for a new connection, and refused if it is private by then', async () => {
    world.routes['/closing'] = (_req, res) => res.setHeader('connection', 'close').end('outside');
    world.dns.serve('later.test', (type, nth) =>
      addresses('later.test', nth === 1 ? OUTSIDE : '127.0.0.1')(type, nth),
    );
    const url = `http://later.test:${world.port}/closing`;
    expect((await world.send({ url })).ok?.status).toBe(200);
    expect(await world.send({ url })).toMatchObject({ refused: 'EGRESS_NOT_ALLOWED address' });
  });

  it.each(['tenant', 'install'])('checked for one %s serves no other', async (other) => {
    const name = `kept-${other}.test`;
    world.dns.serve(name, (type, nth) => addresses(name, nth === 1 ? OUTSIDE : '127.0.0.1')(type, nth));
    const url = `http://${name}:${world.port}/`;
    const sender = other === 'tenant' ? { tenantId: 'another' } : { owner: 'another' };
    expect((await world.send({ url })).ok?.status).toBe(200);
    expect((await world.send({ url })).ok?.status).toBe(200); // on the same connection: it was not asked for again
    expect(await world.send({ url }, sender)).toMatchObject({ refused: 'EGRESS_NOT_ALLOWED address' });
  });
});

describe('a name server', () => {
  const ask = (name: string) => world.send({ url: `http://${name}:${world.port}/` });

  it.each(['NXDOMAIN', 'SERVFAIL'] as const)('that answers %s is a failure of transport', async (reply) => {
    world.dns.serve('broken.test', () => reply);
    expect(await ask('broken.test')).toMatchObject({ refused: 'EGRESS_FAILED' });
  });

  it('that answers with no addresses is a failure of transport', async () => {
    world.dns.serve('empty.test', () => []);
    expect(await ask('empty.test')).toMatchObject({ refused: 'EGRESS_FAILED' });
  });

  it('that never answers is given up', async () => {
    world.dns.serve('silent.test', () => 'silence');
    expect(await ask('silent.test')).toMatchObject({ refused: 'EGRESS_FAILED' });
  });

  it('that never answers does not hold what has ended', async () => {
    const ended = new AbortController();
    world.dns.serve('waiting.test', () => {
      ended.abort(new DOMException('the execution has ended', 'AbortError'));
      return 'silence';
    });
    const url = `http://waiting.test:${world.port}/`;
    await expect(world.send({ url }, { signal: ended.signal })).rejects.toThrow('the execution has ended');
  });

  it('that answers one family alone is enough', async () => {
    world.dns.serve('half.test', (type, nth) =>
      type === 'AAAA' ? 'SERVFAIL' : addresses('half.test', OUTSIDE)(type, nth),
    );
    expect((await ask('half.test')).ok?.status).toBe(200);
  });

  it('that answers thousands of addresses is refused', async () => {
    const many = Array.from({ length: 2_000 }, (_, at) => `8.${at >> 8}.${at & 255}.1`);
    world.dns.serve('huge.test', addresses('huge.test', ...many));
    expect(await ask('huge.test')).toMatchObject({ refused: 'EGRESS_FAILED' });
  });

  it('that answers thousands of addresses with a private one among them is refused', async () => {
    const many = Array.from({ length: 2_000 }, (_, at) => `8.${at >> 8}.${at & 255}.1`);
    world.dns.serve('hidden.test', addresses('hidden.test', ...many, '127.0.0.1'));
    expect((await ask('hidden.test')).refused).toMatch(/^EGRESS_/);
  });
});

describe('the server inside', () => {
  it('was connected to by nobody', () => {
    expect(world.intrusions).toEqual([]);
  });

  it('is one that would have answered, and that would have noticed', async () => {
    const through = world.guard({ unsafeCidrs: ['127.0.0.1/32', '::1/128'] });
    world.dns.serve('sixth.test', addresses('sixth.test', '::1'));
    for (const host of ['127.0.0.1', 'private.test', 'sixth.test']) {
      const { ok } = await world.send({ url: `http://${host}:${world.port}/` }, { through });
      expect(ok?.body.toString()).toBe('inside');
    }
    expect(world.intrusions).toHaveLength(3);
  });
});
