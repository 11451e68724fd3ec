import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { SecretValue } from '../../core/secret-value.ts';
import { createRunnerClient } from './runner-client.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Remembers which connection each request came on; holds its answers back until they are let go. */
async function startServer() {
  const connections: number[] = [];
  const held: ServerResponse[] = [];
  const known = new Map<unknown, number>();
  const server = createServer((req, res) => {
    const number = known.get(req.socket) ?? known.size + 1;
    known.set(req.socket, number);
    connections.push(number);
    req.resume().once('end', () => held.push(res));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanups.push(async () => {
    server.closeAllConnections();
    await once(server.close(), 'close');
  });
  const client = createRunnerClient({
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    serviceToken: new SecretValue('service'),
  });
  cleanups.push(() => client.close());
  const warm = (): Promise<void> => {
    const version = { tenantId: 't', contentHash: 'h', limits: { timeoutMs: 1, memoryMb: 1 } };
    return client.warm(version, { sealEpoch: undefined });
  };
  /** As many at once as there are answers, each answered when all have arrived. */
  const exchanged = async (...answers: ((res: ServerResponse) => void)[]): Promise<void> => {
    const all = answers.map(() => warm().catch(() => undefined));
    while (held.length < answers.length) await new Promise((resolve) => setImmediate(resolve));
    held.splice(0).forEach((res, at) => answers[at]?.(res));
    await Promise.all(all);
  };
  return { connections, exchanged };
}

const answer = (status: number, code?: string, headers = {}) => {
  return (res: ServerResponse): void =>
    void res.writeHead(status, headers).end(code === undefined ? '' : JSON.stringify({ code }));
};
const CLOSE = { connection: 'close' };

describe('the connections to a runner', () => {
  it.each([
    ['closes one as it answers', answer(200, undefined, CLOSE)],
    ['refuses because it drains', answer(503, 'RUNNER_DRAINING')],
    ['does not know the seal', answer(401, 'UNAUTHENTICATED')],
  ])('are all left when it %s', async (_how, closing) => {
    const { connections, exchanged } = await startServer();
    await exchanged(answer(200), answer(200));
    await exchanged(closing);
    await exchanged(answer(200), answer(200));
    const [before, after] = [connections.slice(0, 3), connections.slice(3)];
    expect(after).toHaveLength(2);
    expect(after.filter((number) => before.includes(number))).toEqual([]);
  });

  it('are kept when it closes one because it has not read a request to its end', async () => {
    const { connections, exchanged } = await startServer();
    await exchanged(answer(200), answer(200));
    await exchanged(answer(429, 'CONCURRENCY_LIMITED', CLOSE));
    await exchanged(answer(200));
    expect(connections.slice(0, 2)).toContain(connections[3]);
  });
});
