import { once } from 'node:events';
import { createServer, request, type ClientRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { isPlatformError } from '../../core/errors.ts';
import { eventually } from '../../test/support/eventually.ts';
import { createRequestBodies, type BodyLimits } from './request-body.ts';

const KIB = 1024;
const LIMITS = { bytes: 64 * KIB, tenantBytes: 128 * KIB, processBytes: 256 * KIB, timeoutMs: 60_000 };

const cleanups: (() => void)[] = [];
afterEach(() => cleanups.splice(0).forEach((cleanup) => cleanup()));

/** A server that answers how many bytes it received, once `gate` lets it, and its bodies. */
async function setup(limits: Partial<BodyLimits> = {}, gate: () => Promise<void> = () => Promise.resolve()) {
  const bodies = createRequestBodies({ ...LIMITS, ...limits });
  const received: Uint8Array[] = [];
  const server = createServer((req, res) => {
    const use = async (body: Uint8Array): Promise<void> => {
      received.push(body);
      await gate();
      res.end('fine');
    };
    bodies.receive(req, res, String(req.headers['x-tenant']), use).catch((err: unknown) => {
      if (isPlatformError(err)) res.writeHead(err.status).end(err.code);
      else throw err;
    });
  });
  server.on('checkContinue', (req, res) => server.emit('request', req, res));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });

  const begin = (headers: Record<string, string | number>, tenant = 'a'): ClientRequest => {
    const sending = request({
      port,
      method: 'POST',
      agent: false,
      headers: { 'x-tenant': tenant, ...headers },
    });
    sending.on('error', () => undefined); // of connections that tests or the server cut
    cleanups.push(() => sending.destroy());
    sending.flushHeaders();
    return sending;
  };
  const answerOf = async (sending: ClientRequest): Promise<string> => {
    const [res] = (await once(sending, 'response')) as [IncomingMessage];
    res.setEncoding('utf8');
    let text = '';
    for await (const chunk of res) text += String(chunk);
    return `${res.statusCode} ${text}`;
  };
  /** One that announces a body and sends none of it. */
  const hold = async (bytes: number, tenant = 'a'): Promise<ClientRequest> => {
    const before = bodies.size.bytes;
    const sending = begin({ 'content-length': bytes }, tenant);
    await eventually(() => expect(bodies.size.bytes).toBe(before + bytes));
    return sending;
  };
  const post = (
    body: Uint8Array,
    headers: Record<string, string | number> = {},
    tenant = 'a',
  ): Promise<string> => {
    const sending = begin({ 'content-length': body.byteLength, ...headers }, tenant);
    const answer = answerOf(sending);
    sending.end(body);
    return answer;
  };
  return { bodies, received, begin, answerOf, hold, post };
}

const NOTHING = { bytes: 0, tenants: 0 };
const bytesOf = (size: number): Buffer => Buffer.from(Uint8Array.from({ length: size }, (_, at) => at % 251));

describe('a body', () => {
  it.each([0, 1, 100, 64 * KIB])('of %i bytes is read whole, and its bytes are given back', async (size) => {
    const { post, received, bodies } = await setup();
    expect(await post(bytesOf(size))).toBe('200 fine');
    expect(Buffer.from(received[0] ?? []).equals(bytesOf(size))).toBe(true);
    await eventually(() => expect(bodies.size).toEqual(NOTHING));
  });

  it('is whole in whatever pieces it comes, announced or not', async () => {
    const { begin, answerOf, received, bodies } = await setup();
    const body = bytesOf(50 * KIB);
    for (const headers of [{ 'content-length': body.byteLength }, { 'transfer-encoding': 'chunked' }]) {
      const sending = begin(headers);
      const answer = answerOf(sending);
      for (let at = 0; at < body.byteLength; at += 7 * KIB) {
        sending.write(body.subarray(at, at + 7 * KIB));
        await new Promise((resolve) => setImmediate(resolve));
      }
      sending.end();
      expect(await answer).toBe('200 fine');
      expect(Buffer.from(received.at(-1) ?? []).equals(body)).toBe(true);
    }
    await eventually(() => expect(bodies.size).toEqual(NOTHING));
  });

  it('in pieces of a byte takes no more than its bytes', async () => {
    const { begin, answerOf, received } = await setup();
    const body = bytesOf(64 * KIB);
    const sending = begin({ 'transfer-encoding': 'chunked' });
    const answer = answerOf(sending);
    for (const byte of body) sending.write(Buffer.of(byte));
    sending.end();
    expect(await answer).toBe('200 fine');
    expect(Buffer.from(received[0] ?? []).equals(body)).toBe(true);
    expect(received[0]?.buffer.byteLength).toBe(64 * KIB);
  });

  it('over the cap is refused, announced or not', async () => {
    const { begin, answerOf, bodies, received } = await setup();
    expect(await answerOf(begin({ 'content-length': 64 * KIB + 1 }))).toBe('413 BODY_TOO_LARGE');
    const sending = begin({ 'transfer-encoding': 'chunked' });
    const answer = answerOf(sending);
    sending.write(bytesOf(40 * KIB));
    sending.write(bytesOf(40 * KIB));
    expect(await answer).toBe('413 BODY_TOO_LARGE');
    expect(received).toEqual([]);
    expect(bodies.size).toEqual(NOTHING);
  });

  it('that is compressed is refused, and one that says it is not is taken', async () => {
    const { post } = await setup();
    for (const coding of ['gzip', 'deflate', 'br', 'zstd', 'identity, gzip', 'GZIP']) {
      expect(await post(bytesOf(9), { 'content-encoding': coding })).toBe('415 MEDIA_TYPE_UNSUPPORTED');
    }
    expect(await post(bytesOf(9), { 'content-encoding': 'Identity' })).toBe('200 fine');
  });

  it('that is not whole soon after the gateway was told to stop is refused, and one that is gets its answer', async () => {
    const { begin, hold, answerOf, post, bodies } = await setup({ timeoutMs: 1_000 });
    const before = answerOf(await hold(10 * KIB));
    bodies.drain();
    const after = answerOf(begin({ 'content-length': 20 * KIB }));
    expect(await post(bytesOf(9))).toBe('200 fine');
    expect(await Promise.all([before, after])).toEqual([
      '503 GATEWAY_UNAVAILABLE',
      '503 GATEWAY_UNAVAILABLE',
    ]);
    expect(bodies.size).toEqual(NOTHING);
  });

  it('that does not come in time is refused, and holds nothing any more', async () => {
    const { hold, answerOf, bodies } = await setup({ timeoutMs: 100 });
    const answers = [answerOf(await hold(10 * KIB)), answerOf(await hold(20 * KIB, 'b'))];
    expect(await Promise.all(answers)).toEqual(['408 BODY_TOO_SLOW', '408 BODY_TOO_SLOW']);
    expect(bodies.size).toEqual(NOTHING);
  });

  it('whose client leaves holds nothing any more', async () => {
    const { hold, begin, bodies, received } = await setup();
    const announced = await hold(10 * KIB);
    announced.write(bytesOf(5));
    const chunked = begin({ 'transfer-encoding': 'chunked' }, 'b');
    chunked.write(bytesOf(3 * KIB));
    await eventually(() => expect(bodies.size.bytes).toBe((10 + 16) * KIB)); // what there is room for
    announced.destroy();
    chunked.destroy();
    await eventually(() => expect(bodies.size).toEqual(NOTHING));
    expect(received).toEqual([]);
  });

  it('is counted until its call is over, though the client has left', async () => {
    const gate = Promise.withResolvers<undefined>();
    const { begin, bodies, received } = await setup({}, () => gate.promise);
    const sending = begin({ 'content-length': 10 * KIB });
    sending.end(bytesOf(10 * KIB));
    await eventually(() => expect(received).toHaveLength(1));
    const socket = sending.socket;
    sending.destroy();
    await eventually(() => expect(socket?.destroyed).toBe(true));
    expect(bodies.size.bytes).toBe(10 * KIB);
    gate.resolve(undefined);
    await eventually(() => expect(bodies.size).toEqual(NOTHING));
  });
});

describe('the budget', () => {
  it('of a tenant is taken before a byte is sent, and is nobody else’s', async () => {
    const { hold, begin, answerOf, post, bodies } = await setup();
    const held = [await hold(64 * KIB), await hold(64 * KIB)];
    expect(bodies.size).toEqual({ bytes: 128 * KIB, tenants: 1 });
    expect(await answerOf(begin({ 'content-length': 1 }))).toBe('429 CONCURRENCY_LIMITED');
    const chunked = begin({ 'transfer-encoding': 'chunked' });
    const answer = answerOf(chunked);
    chunked.write('x');
    expect(await answer).toBe('429 CONCURRENCY_LIMITED');
    expect(await post(bytesOf(0))).toBe('200 fine');
    expect(await post(bytesOf(64 * KIB), {}, 'b')).toBe('200 fine');
    held.forEach((sending) => sending.destroy());
    await eventually(() => expect(bodies.size).toEqual(NOTHING));
    expect(await post(bytesOf(64 * KIB))).toBe('200 fine');
  });

  it('of all is shared: who has some is refused first, and who comes next finds room', async () => {
    const { hold, begin, answerOf } = await setup();
    for (const tenant of ['a', 'a', 'b']) await hold(64 * KIB, tenant);
    // 64 KiB are left: as much again for b would leave nobody anything.
    expect(await answerOf(begin({ 'content-length': 64 * KIB }, 'b'))).toBe('429 CONCURRENCY_LIMITED');
    await hold(64 * KIB, 'c');
    expect(await answerOf(begin({ 'content-length': 1 }, 'd'))).toBe('503 GATEWAY_UNAVAILABLE');
  });
});

describe('a client that asks before it sends', () => {
  const asking = (headers: Record<string, string | number>) => ({ ...headers, expect: '100-continue' });

  it('is told to go on once there is room', async () => {
    const { begin, answerOf } = await setup();
    const sending = begin(asking({ 'content-length': 4 }));
    const answer = answerOf(sending);
    await once(sending, 'continue');
    sending.end('body');
    expect(await answer).toBe('200 fine');
  });

  it.each([
    ['413 BODY_TOO_LARGE', { 'content-length': 64 * KIB + 1 }],
    ['415 MEDIA_TYPE_UNSUPPORTED', { 'content-length': 4, 'content-encoding': 'gzip' }],
    ['429 CONCURRENCY_LIMITED', { 'content-length': 64 * KIB }],
  ])('is told %s instead', async (told, headers) => {
    const { begin, answerOf, hold } = await setup();
    await hold(64 * KIB);
    await hold(64 * KIB);
    const sending = begin(asking(headers));
    let continued = false;
    sending.on('continue', () => (continued = true));
    expect(await answerOf(sending)).toBe(told);
    expect(continued).toBe(false);
  });
});
