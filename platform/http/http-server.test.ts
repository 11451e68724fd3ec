import { once } from 'node:events';
import { Agent, request, type IncomingMessage, type RequestListener } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createHttpServer } from './http-server.ts';

const agent = new Agent({ keepAlive: true });
afterEach(() => agent.destroy());

async function setup(serve: RequestListener) {
  const server = createHttpServer(serve);
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  const get = async (): Promise<[string | undefined, string]> => {
    const [res] = (await once(request({ port, agent }).end(), 'response')) as [IncomingMessage];
    return [res.headers.connection, await text(res)];
  };
  return { server, port, get };
}

describe('an HTTP server', () => {
  it('keeps connections until it closes, and then ends each with its next answer', async () => {
    const arrived = Promise.withResolvers<undefined>();
    const gate = Promise.withResolvers<undefined>();
    let calls = 0;
    const { server, get } = await setup((_req, res) => {
      calls += 1;
      if (calls === 1) return void res.end('first');
      arrived.resolve(undefined);
      void gate.promise.then(() => res.end('second'));
    });
    expect(await get()).toEqual(['keep-alive', 'first']);
    const second = get();
    await arrived.promise;
    const closed = server.close(10_000);
    gate.resolve(undefined);
    expect(await second).toEqual(['close', 'second']);
    await closed;
    await expect(get()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('answers a request that was on its way over an open connection when closing began', async () => {
    const { server, port } = await setup((_req, res) => void res.end('here'));
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n'); // its head is not whole yet
    const closed = server.close(10_000);
    socket.write('\r\n');
    expect(await text(socket)).toMatch(/connection: close[^]*here/);
    await closed;
  });

  it('sends a large answer whole to a slow reader', async () => {
    const bytes = 20_000_000;
    const written = Promise.withResolvers<undefined>();
    const { server, port } = await setup((_req, res) => {
      res.end(Buffer.alloc(bytes));
      written.resolve(undefined);
    });
    const [res] = (await once(request({ port, agent }).end(), 'response')) as [IncomingMessage];
    await written.promise;
    const closed = server.close(10_000);
    let received = 0;
    for await (const chunk of res as AsyncIterable<Buffer>) received += chunk.byteLength;
    expect(received).toBe(bytes);
    await closed;
  });

  it('does not wait for connections on which nothing is asked', async () => {
    const { server, port } = await setup((_req, res) => void res.end());
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const ended = once(socket, 'close');
    socket.resume();
    await server.close(60_000);
    await ended;
  });

  it('cuts what does not end within its grace', async () => {
    const arrived = Promise.withResolvers<undefined>();
    const { server, get } = await setup(() => arrived.resolve(undefined));
    const call = get();
    const failed = expect(call).rejects.toMatchObject({ code: 'ECONNRESET' });
    await arrived.promise;
    await server.close(20);
    await failed;
  });

  it('rejects when the port is taken', async () => {
    const { server, port } = await setup((_req, res) => void res.end());
    const second = createHttpServer(() => undefined);
    await expect(second.listen({ host: '127.0.0.1', port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await server.close(0);
  });
});
