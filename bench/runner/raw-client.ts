import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { at } from '../engine/figures.ts';

const HEAD_END = Buffer.from('\r\n\r\n');
const FAULT = Buffer.from('"error":');

export interface Address {
  port: number;
}

export interface Answer {
  status: number;
  body: Buffer;
  /** Milliseconds from the request's last byte. */
  firstByteMs: number;
}

export interface Connection {
  /** One request at a time. */
  send: (request: Buffer) => Promise<Answer>;
  close: () => void;
}

/** HTTP/1.1 with as little work of its own as can be: requests are bytes made beforehand, answers need a `content-length`. */
export async function openConnection({ port }: Address): Promise<Connection> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  await once(socket, 'connect');
  return { send: sender(socket), close: () => void socket.destroy() };
}

function sender(socket: Socket): Connection['send'] {
  let open: PromiseWithResolvers<Answer> | undefined;
  let received: Buffer = Buffer.alloc(0);
  let bodyAt = -1;
  let length = 0;
  let sentAt = 0;
  let firstByteMs = 0;

  const fail = (err: Error): void => open?.reject(err);
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('the server closed the connection')));
  socket.on('data', (chunk: Buffer) => {
    if (received.byteLength === 0) firstByteMs = performance.now() - sentAt;
    received = received.byteLength === 0 ? chunk : Buffer.concat([received, chunk]);
    if (bodyAt < 0) {
      const end = received.indexOf(HEAD_END);
      if (end < 0) return;
      const head = received.toString('latin1', 0, end);
      const announced = /^content-length: *(\d+)/im.exec(head)?.[1];
      if (announced === undefined) {
        fail(new Error(`an answer without content-length: ${received.toString('latin1')}`));
        return;
      }
      bodyAt = end + HEAD_END.byteLength;
      length = Number(announced);
    }
    if (received.byteLength < bodyAt + length) return;
    const answer = {
      status: Number(received.toString('latin1', 9, 12)),
      body: received.subarray(bodyAt),
      firstByteMs,
    };
    received = Buffer.alloc(0);
    bodyAt = -1;
    open?.resolve(answer);
  });
  return (request) => {
    open = Promise.withResolvers();
    sentAt = performance.now();
    socket.write(request);
    return open.promise;
  };
}

/** Throws for an answer that is not a 200, or an execution in which the guest failed. */
export function mustServe({ status, body }: Answer): void {
  if (status !== 200 || body.subarray(0, 1024).includes(FAULT)) {
    throw new Error(`answered ${status}: ${body.subarray(0, 1024).toString()}`);
  }
}

export interface Load {
  p50: number;
  p99: number;
  perSecond: number;
}

/** Each client has a connection of its own and waits for its answer before it sends the next request of all. Milliseconds. */
export async function load(address: Address, requests: readonly Buffer[], clients: number): Promise<Load> {
  const connections = await Promise.all(Array.from({ length: clients }, () => openConnection(address)));
  const latencies: number[] = [];
  let next = 0;
  const client = async ({ send }: Connection): Promise<void> => {
    for (let request = requests[next++]; request !== undefined; request = requests[next++]) {
      const began = performance.now();
      mustServe(await send(request));
      latencies.push(performance.now() - began);
    }
  };
  const began = performance.now();
  await Promise.all(connections.map(client));
  const seconds = (performance.now() - began) / 1000;
  for (const connection of connections) connection.close();
  return { p50: at(latencies, 0.5), p99: at(latencies, 0.99), perSecond: requests.length / seconds };
}
