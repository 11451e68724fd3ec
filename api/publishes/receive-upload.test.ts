import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import type { ByteSource } from '../../platform/objects/object-store.ts';
import { receiveUpload } from './receive-upload.ts';

const MIB = 1024 * 1024;
const SIZE = 32 * MIB;
/** What sockets, parsers and streams of Node hold at once, several times over, and a small part of the upload. */
const AHEAD = 2 * MIB;
/** Rounds of the event loop in which a server that reads ahead would. */
const ROUNDS = 20;

it('frees what the store has taken of an upload at once', async () => {
  const chunks = Array.from({ length: 3 }, () => Buffer.alloc(64 * 1024, 'x'));
  const freed: number[] = [];
  const look = (): number => freed.push(chunks.filter(({ byteLength }) => byteLength === 0).length);
  const put = async (_key: string, source: ByteSource): Promise<number> => {
    const chunksTaken = (source as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    while ((await chunksTaken.next()).done !== true) look();
    return look();
  };
  const inTurn = (work: () => void): Promise<void> => Promise.resolve().then(work);
  const source = Readable.from(chunks, { highWaterMark: 1 });
  await receiveUpload({ put }, 'key', source, { size: 3 * 64 * 1024 }, inTurn);
  expect(freed).toEqual([0, 1, 2, 3]);
});

it('of an upload no more is taken from the sender than what the store has taken, and a little', async () => {
  const chunk = Buffer.alloc(64 * 1024, 'x');
  const sha256 = createHash('sha256');
  for (let sent = 0; sent < SIZE; sent += chunk.length) sha256.update(chunk);
  const announced = { size: SIZE, sha256: sha256.digest('hex') };

  let taken = 0;
  let furthest = 0;
  const received = Promise.withResolvers<object>();
  const receive = async (req: IncomingMessage): Promise<object> => {
    const put = async (_key: string, source: ByteSource): Promise<number> => {
      for await (const bytes of source as AsyncIterable<Uint8Array>) {
        for (let round = 0; round < ROUNDS; round += 1) await setImmediate();
        furthest = Math.max(furthest, req.socket.bytesRead - taken);
        taken += bytes.byteLength;
      }
      return taken;
    };
    const inTurn = (work: () => void): Promise<void> => Promise.resolve().then(work);
    return receiveUpload({ put }, 'key', req, announced, inTurn);
  };
  const server = createServer((req, res) => {
    void receive(req)
      .then(received.resolve, received.reject)
      .finally(() => res.end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    const sending = request({ port, host: '127.0.0.1', method: 'PUT' });
    sending.on('response', (res) => res.resume());
    await pipeline(Readable.from(Array.from({ length: SIZE / chunk.length }, () => chunk)), sending);
    expect(await received.promise).toEqual(announced);
    expect(taken).toBe(SIZE);
    expect(furthest).toBeLessThan(AHEAD);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
