import { once } from 'node:events';
import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { addresses } from '../../support/dns-server.ts';
import { eventually } from '../../support/eventually.ts';
import { OUTSIDE, startEgressWorld, type EgressWorld, type Outcome } from '../../support/egress-world.ts';

// What servers answer: a whole answer within bounds, or none.

const MIB = 1024 * 1024;
let world: EgressWorld;
const sockets: Socket[] = [];

beforeAll(async () => {
  world = await startEgressWorld();
});
afterAll(async () => {
  await world.close();
});

const OK = 'HTTP/1.1 200 OK\r\n';

/** What becomes of an answer that a server writes byte by byte once it was asked. */
async function answered(write: (socket: Socket) => void, method = 'GET'): Promise<Outcome> {
  const url = await world.raw((socket) => {
    sockets.push(socket);
    socket.once('data', () => write(socket));
  });
  return world.send({ url, method }, { hosts: [new URL(url).host] });
}

/** Writes the same for as long as somebody reads. */
function endless(head: string, piece: string | Buffer): (socket: Socket) => void {
  return (socket) => {
    socket.write(head);
    const more = (): void => {
      while (!socket.destroyed && socket.write(piece));
    };
    socket.on('drain', more);
    more();
  };
}

describe('an answer', () => {
  it.each<[string, (socket: Socket) => void, RegExp]>([
    ['of a body without end', endless(`${OK}\r\n`, Buffer.alloc(65_536)), /larger than/],
    [
      'of chunks without end',
      endless(`${OK}transfer-encoding: chunked\r\n\r\n`, `10000\r\n${'a'.repeat(65_536)}\r\n`),
      /larger than/,
    ],
    [
      'of tiny chunks with large extensions',
      endless(`${OK}transfer-encoding: chunked\r\n\r\n`, `1;${'a'.repeat(60_000)}\r\na\r\n`),
      /./,
    ],
    [
      'of one extension without end',
      endless(`${OK}transfer-encoding: chunked\r\n\r\n1;`, 'a'.repeat(65_536)),
      /./,
    ],
    ['of headers without end', endless(OK, `x-a: ${'a'.repeat(1_000)}\r\n`), /HEADERS_OVERFLOW/],
    ['of one header without end', endless(`${OK}x-a: `, 'a'.repeat(65_536)), /HEADERS_OVERFLOW/],
    ['of a status line without end', endless('HTTP/1.1 200 ', 'a'.repeat(65_536)), /./],
    [
      'of trailers without end',
      endless(`${OK}transfer-encoding: chunked\r\n\r\n0\r\n`, `x-a: ${'a'.repeat(1_000)}\r\n`),
      /./,
    ],
    [
      'of informational answers without end',
      endless('', 'HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n'),
      /without end/,
    ],
    ['of thousands of headers', (socket) => socket.end(`${OK}${'a:\r\n'.repeat(5_000)}\r\n`), /headers/],
    [
      'of a length beyond the bounds',
      endless(`${OK}content-length: 99999999999\r\n\r\n`, Buffer.alloc(65_536)),
      /larger than/,
    ],
    [
      'shorter than it says',
      (socket) => socket.end(`${OK}content-length: 10\r\n\r\nshort`),
      /no whole answer/,
    ],
    [
      'of chunks that do not end',
      (socket) => socket.end(`${OK}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n`),
      /no whole answer/,
    ],
    [
      'of two lengths',
      (socket) => socket.end(`${OK}content-length: 5\r\ncontent-length: 6\r\n\r\nhello`),
      /no whole answer/,
    ],
    [
      'of a length and a transfer coding',
      (socket) => socket.end(`${OK}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`),
      /no whole answer/,
    ],
    ['of a negative length', (socket) => socket.end(`${OK}content-length: -1\r\n\r\n`), /no whole answer/],
    [
      'of a chunk whose size is none',
      (socket) => socket.end(`${OK}transfer-encoding: chunked\r\n\r\nzz\r\n`),
      /no whole answer/,
    ],
    [
      'with a line break within a header',
      (socket) => socket.end(`${OK}x-a: b\rx-evil: 1\r\n\r\n`),
      /no whole answer/,
    ],
    ['that is no HTTP', (socket) => socket.end('SSH-2.0-OpenSSH_9\r\n'), /no whole answer/],
    ['of HTTP/2', (socket) => socket.end('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), /no whole answer/],
    ['that is nothing', (socket) => void socket.end(), /no whole answer/],
    [
      'that switches protocols',
      (socket) => socket.end('HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
      /no whole answer/,
    ],
    ['that is cut off', (socket) => socket.resetAndDestroy(), /no whole answer/],
  ])('%s is none', async (_what, write, told) => {
    const { refused, message } = await answered(write);
    expect(refused).toBe('EGRESS_FAILED');
    expect(message).toMatch(told);
    expect(message).not.toMatch(/aaaa|OpenSSH/); // nothing of what was sent
    await eventually(() => expect(sockets.at(-1)?.destroyed).toBe(true));
  });

  it('that is compressed is handed on as it is: a bomb stays as small as it came', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * MIB));
    const head = `${OK}content-encoding: gzip\r\ncontent-length: ${bomb.byteLength}\r\n\r\n`;
    const { ok } = await answered((socket) => void socket.end(Buffer.concat([Buffer.from(head), bomb])));
    expect(ok?.headers).toContainEqual({ name: 'content-encoding', value: 'gzip' });
    expect(bomb.equals(ok?.body ?? Buffer.alloc(0))).toBe(true);
  });

  it('after a few informational ones is the answer', async () => {
    const hints = 'HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n'.repeat(3);
    const { ok } = await answered((socket) => void socket.end(`${hints}${OK}content-length: 2\r\n\r\nok`));
    expect([ok?.status, ok?.body.toString()]).toEqual([200, 'ok']);
  });

  it('of the largest size that is taken is taken', async () => {
    const { ok } = await answered((socket) => {
      socket.write(`${OK}content-length: ${8 * MIB}\r\n\r\n`);
      socket.end(Buffer.alloc(8 * MIB, 'a'));
    });
    expect(ok?.body.byteLength).toBe(8 * MIB);
  });

  it('keeps headers that come twice, and none of the connection', async () => {
    const head =
      'set-cookie: a=1\r\nset-cookie: b=2\r\nconnection: close\r\nkeep-alive: timeout=5\r\ncontent-length: 0';
    const { ok } = await answered((socket) => void socket.end(`${OK}${head}\r\n\r\n`));
    expect(ok?.headers).toEqual([
      { name: 'set-cookie', value: 'a=1' },
      { name: 'set-cookie', value: 'b=2' },
      { name: 'content-length', value: '0' },
    ]);
  });

  it('that says more than its length is not the next one', async () => {
    const urls: string[] = [];
    const url = await world.raw((socket) => {
      sockets.push(socket);
      socket.on('data', (bytes: Buffer) => {
        urls.push(bytes.toString().split(' ')[1] ?? '');
        const poison = `${OK}content-length: 8\r\n\r\npoisoned`;
        socket.write(`${OK}content-length: 2\r\n\r\nok${urls.length === 1 ? poison : ''}`);
      });
    });
    const hosts = [new URL(url).host];
    for (const path of ['first', 'second', 'third']) {
      expect((await world.send({ url: `${url}${path}` }, { hosts })).ok?.body.toString()).toBe('ok');
    }
    expect(urls).toEqual(['/first', '/second', '/third']);
  });

  it('that never comes ends with what was waiting for it, and so does the connection', async () => {
    const ended = new AbortController();
    const url = await world.raw((socket) => {
      sockets.push(socket);
      socket.once('data', () => ended.abort(new DOMException('the execution has ended', 'AbortError')));
    });
    const sending = world.send({ url }, { hosts: [new URL(url).host], signal: ended.signal });
    await expect(sending).rejects.toThrow('the execution has ended');
    await eventually(() => expect(sockets.at(-1)?.destroyed).toBe(true));
  });

  it('whose connection is reset while nobody uses it ends nothing but the connection', async () => {
    const url = await world.raw((socket) => {
      sockets.push(socket);
      socket.once('data', () => {
        socket.write(`${OK}content-length: 2\r\n\r\nok`, () => setImmediate(() => socket.resetAndDestroy()));
      });
    });
    const hosts = [new URL(url).host];
    expect((await world.send({ url }, { hosts })).ok?.status).toBe(200);
    await eventually(() => expect(sockets.at(-1)?.destroyed).toBe(true));
    expect((await world.send({ url }, { hosts })).ok?.status).toBe(200);
  });

  it('to a request on a connection that had been closed meanwhile is asked for again', async () => {
    let connections = 0;
    const url = await world.raw((socket) => {
      connections += 1;
      let requests = 0;
      socket.on('data', () => {
        requests += 1;
        if (connections === 1 && requests === 2) socket.resetAndDestroy();
        else socket.write(`${OK}content-length: 1\r\n\r\n${connections}`);
      });
    });
    const ask = (method = 'GET') => world.send({ url, method }, { hosts: [new URL(url).host] });
    expect((await ask()).ok?.body.toString()).toBe('1');
    expect((await ask()).ok?.body.toString()).toBe('2');
    expect(connections).toBe(2);
  });
});

describe('a certificate', () => {
  const https = (host: string) => world.send({ url: `https://${host}:${world.tlsPort}/` });

  it('of the host is taken, for a name and for an address', async () => {
    expect((await https('secure.test')).ok?.status).toBe(200);
    expect((await https(OUTSIDE)).ok?.status).toBe(200);
  });

  it('of another host is refused', async () => {
    world.dns.serve('wrong.test', addresses('wrong.test', OUTSIDE));
    expect(await https('wrong.test')).toMatchObject({
      refused: 'EGRESS_FAILED',
      message: 'no connection (ERR_TLS_CERT_ALTNAME_INVALID)',
    });
  });

  it('that nobody trusts is refused, whatever the environment says', async () => {
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      const through = world.guard({ ca: undefined });
      const sent = await world.send({ url: `https://secure.test:${world.tlsPort}/` }, { through });
      expect(sent).toMatchObject({ refused: 'EGRESS_FAILED' });
    } finally {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
    }
  });

  it('is asked for where a server speaks no TLS, and plain HTTP is not fallen back to', async () => {
    expect(await world.send({ url: `https://public.test:${world.port}/` })).toMatchObject({
      refused: 'EGRESS_FAILED',
    });
  });
});

describe('what is left after requests that failed', () => {
  it('is no connection', async () => {
    const open = new Set<Socket>();
    const url = await world.raw((socket) => {
      open.add(socket);
      socket.once('close', () => open.delete(socket));
      socket.once('data', () => socket.write(`${OK}content-length: 5\r\n\r\nhal`)); // and then nothing
    });
    const hosts = [new URL(url).host];
    const ended = new AbortController();
    const sending = Array.from({ length: 8 }, () => world.send({ url }, { hosts, signal: ended.signal }));
    await eventually(() => expect(open.size).toBe(8));
    const settled = Promise.allSettled(sending);
    ended.abort();
    await settled;
    await eventually(() => expect(open.size).toBe(0));
  });

  it('is no connection of a handshake that never ends', async () => {
    const ended = new AbortController();
    let closed: Promise<unknown> | undefined;
    const url = await world.raw((socket) => {
      closed = once(socket, 'close');
      socket.once('data', () => ended.abort());
    });
    const at = url.replace('http:', 'https:');
    await expect(
      world.send({ url: at }, { hosts: [new URL(at).host], signal: ended.signal }),
    ).rejects.toThrow();
    await closed;
  });
});
