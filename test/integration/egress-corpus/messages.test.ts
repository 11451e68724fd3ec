import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { PlatformError } from '../../../core/errors.ts';
import { OUTSIDE, startEgressWorld, type EgressWorld } from '../../support/egress-world.ts';

// What a guest writes into a message: it becomes one well-formed request, or none at all.

let world: EgressWorld;
let received: string[];

beforeAll(async () => {
  world = await startEgressWorld();
  world.routes['/raw'] = (req, res) => {
    received.push(req.rawHeaders.map((text, at) => (at % 2 === 0 ? `${text}:` : text)).join(' '));
    req.resume().on('end', () => res.end('seen'));
  };
});
beforeEach(() => {
  received = [];
  world.seen.splice(0);
});
afterAll(() => world.close());

const raw = () => `http://public.test:${world.port}/raw`;

describe('a method', () => {
  it.each([
    'CONNECT',
    'connect',
    'TRACE',
    'TRACK',
    '',
    'GET ',
    ' GET',
    'GET /evil HTTP/1.1\r\nX: ',
    'GE\nT',
    'G\0T',
    'GÉT',
    'A'.repeat(33),
  ])('%j is refused', async (method) => {
    expect(await world.send({ url: raw(), method })).toMatchObject({ refused: 'EGRESS_INVALID' });
    expect(world.seen).toEqual([]);
  });

  it.each(['get', 'PATCH', 'PROPFIND', 'M-SEARCH'])('%s is sent in capitals', async (method) => {
    expect((await world.send({ url: raw(), method })).ok?.status).toBe(200);
    expect(world.seen).toEqual([`${method.toUpperCase()} public.test /raw`]);
  });
});

describe('a header', () => {
  const send = (...headers: [string, string][]) =>
    world.send({
      url: raw(),
      method: 'POST',
      body: Buffer.from('body'),
      headers: headers.map(([name, value]) => ({ name, value })),
    });

  it.each<[string, [string, string]]>([
    ['a line break in its value', ['x-a', 'a\r\nx-evil: 1']],
    ['a line break at the end of its value', ['x-a', 'a\r\n']],
    ['a line feed in its value', ['x-a', 'a\nb']],
    ['a carriage return in its value', ['x-a', 'a\rb']],
    ['a null in its value', ['x-a', 'a\0b']],
    ['a letter that is CR when it is cut to a byte', ['x-a', 'a\u010d\u010ax-evil: 1']],
    ['a letter beyond Latin-1', ['x-a', '日本']],
    ['a line break in its name', ['x-a\r\nx-evil', '1']],
    ['a colon in its name', ['x-a: 1', '1']],
    ['a space in its name', ['x a', '1']],
    ['a space behind its name', ['content-length ', '0']],
    ['no name', ['', '1']],
    ['a name that is no ASCII', ['ｈｏｓｔ', '1']],
  ])('with %s is refused', async (_what, header) => {
    expect(await send(header)).toMatchObject({ refused: 'EGRESS_INVALID' });
    expect(received).toEqual([]);
  });

  it.each<[string, [string, string][]]>([
    ['another host', [['Host', 'evil.example']]],
    [
      'two hosts',
      [
        ['host', 'a.example'],
        ['HOST', 'b.example'],
      ],
    ],
    ['another length', [['Content-Length', '0']]],
    [
      'two lengths',
      [
        ['content-length', '4'],
        ['content-length', '9'],
      ],
    ],
    ['a length that is none', [['content-length', '-1']]],
    ['a transfer coding', [['Transfer-Encoding', 'chunked']]],
    [
      'a length and a transfer coding',
      [
        ['content-length', '4'],
        ['transfer-encoding', 'chunked'],
      ],
    ],
    ['a transfer coding in disguise', [['Transfer-Encoding', 'xchunked']]],
    [
      'an upgrade',
      [
        ['Connection', 'upgrade'],
        ['Upgrade', 'websocket'],
      ],
    ],
    [
      'an upgrade to HTTP/2',
      [
        ['Connection', 'Upgrade, HTTP2-Settings'],
        ['Upgrade', 'h2c'],
        ['HTTP2-Settings', 'AAA'],
      ],
    ],
    ['expectations', [['Expect', '100-continue']]],
    [
      'trailers',
      [
        ['TE', 'trailers'],
        ['Trailer', 'x-evil'],
      ],
    ],
    [
      'keys of a proxy',
      [
        ['Proxy-Authorization', 'Basic evil'],
        ['Proxy-Connection', 'keep-alive'],
      ],
    ],
    [
      'what it calls of the connection',
      [
        ['Connection', 'close, X-Evil'],
        ['x-evil', '1'],
      ],
    ],
  ])('that says %s is left out', async (_what, headers) => {
    expect((await send(...headers, ['x-kept', 'yes'])).ok?.status).toBe(200);
    expect(received).toEqual([
      `host: public.test:${world.port} connection: keep-alive x-kept: yes content-length: 4`,
    ]);
  });

  it('beyond a hundred is refused', async () => {
    const headers = Array.from({ length: 101 }, (_, at): [string, string] => [`x-${at}`, '1']);
    expect(await send(...headers)).toMatchObject({ refused: 'EGRESS_INVALID' });
  });

  it('beyond 32 KiB is refused', async () => {
    expect(await send(['x-a', 'a'.repeat(33_000)])).toMatchObject({ refused: 'EGRESS_INVALID' });
  });

  it('is told of in no message', async () => {
    const { message } = await send(['x-key', 'hunter2\n']);
    expect(message).toBe('the value of its header x-key is none');
  });
});

describe('a body', () => {
  it('of a GET is not taken for the next request', async () => {
    const smuggled = Buffer.from('GET /smuggled HTTP/1.1\r\nhost: public.test\r\n\r\n');
    expect((await world.send({ url: raw(), body: smuggled })).ok?.status).toBe(200);
    expect((await world.send({ url: raw() })).ok?.status).toBe(200);
    expect(world.seen).toEqual(['GET public.test /raw', 'GET public.test /raw']);
  });

  it('of more than 16 MiB is refused', async () => {
    expect(
      await world.send({ url: raw(), method: 'POST', body: Buffer.alloc(17 * 1024 * 1024) }),
    ).toMatchObject({
      refused: 'EGRESS_LIMITED',
    });
  });
});

describe('a sender is told', () => {
  const told = async (url: string): Promise<number> => {
    let bytes = 0;
    const sender = {
      onSend: (more: number) => void (bytes += more),
      onUnsent: (less: number) => void (bytes -= less),
    };
    await world.send({ url }, { ...sender, owner: url, hosts: [new URL(url).host] });
    return bytes;
  };

  it('how much left, and of what never had a connection nothing', async () => {
    const { host } = new URL(raw());
    expect(await told(raw())).toBe(`GET /raw HTTP/1.1\r\nhost: ${host}\r\n\r\n`.length);
    expect(await told('http://unknown.test/')).toBe(0);
    expect(await told(`http://${OUTSIDE}:1/`)).toBe(0);
    expect(await told(await world.raw((socket) => socket.destroy()))).toBeGreaterThan(0);
  });
});

describe('a sender who may send nothing more', () => {
  const spent = {
    onSend: () => {
      throw new PlatformError('EGRESS_LIMITED', 'spent');
    },
  };

  it('has no name looked up', async () => {
    world.dns.asked.splice(0);
    expect(await world.send({ url: raw() }, { ...spent, owner: 'spent' })).toMatchObject({
      refused: 'EGRESS_LIMITED',
    });
    expect([world.dns.asked, world.seen]).toEqual([[], []]);
  });

  it('has nothing connected to', async () => {
    let connections = 0;
    const url = await world.raw(() => (connections += 1));
    const hosts = [new URL(url).host];
    expect(await world.send({ url }, { ...spent, hosts })).toMatchObject({ refused: 'EGRESS_LIMITED' });
    expect((await world.send({ url: raw() })).ok?.status).toBe(200);
    expect(connections).toBe(0);
  });
});

describe('the server inside', () => {
  it('was connected to by nobody', () => {
    expect(world.intrusions).toEqual([]);
  });
});
