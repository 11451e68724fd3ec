import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createConnections } from './connections.ts';

let server: Server;
let accepted: Socket[];

beforeEach(async () => {
  accepted = [];
  server = createServer((socket) => accepted.push(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  for (const socket of accepted) socket.destroy();
  server.close();
});

async function connected(): Promise<Socket> {
  const { port } = server.address() as AddressInfo;
  const arrives = once(server, 'connection');
  const socket = connect({ host: '127.0.0.1', port });
  await Promise.all([once(socket, 'connect'), arrives]);
  return socket;
}

const use = (of: Partial<{ tenantId: string; owner: string; origin: string }> = {}) => ({
  tenantId: 'tenant',
  owner: 'install',
  origin: 'http://api.example.com',
  ...of,
});

describe('connections that wait', () => {
  it('serve the same use again, and no other', async () => {
    const connections = createConnections();
    const kept = connections.open(use(), await connected());
    connections.giveBack(kept);
    for (const other of [{ tenantId: 'b' }, { owner: 'b' }, { origin: 'https://api.example.com' }]) {
      expect(connections.take(use(other))).toBeUndefined();
    }
    expect(connections.take(use())).toBe(kept);
    expect(connections.take(use())).toBeUndefined();
    connections.giveBack(kept);
    connections.close();
  });

  it('are gone once they were reset, also if no request was ever sent on them', async () => {
    const connections = createConnections();
    const socket = await connected();
    connections.giveBack(connections.open(use(), socket));
    const closed = new Promise((resolve) => socket.once('close', resolve)); // `once` would fail at the error before it
    accepted[0]?.resetAndDestroy();
    await closed;
    expect(connections.take(use())).toBeUndefined();
  });

  it('are sixteen of a tenant, and the longest waits no longer', async () => {
    const connections = createConnections();
    const sockets: Socket[] = [];
    for (let at = 0; at < 17; at += 1) {
      const socket = await connected();
      sockets.push(socket);
      connections.giveBack(connections.open(use({ origin: `http://${at}.example.com` }), socket));
    }
    expect(connections.take(use({ origin: 'http://0.example.com' }))).toBeUndefined();
    expect(connections.take(use({ origin: 'http://1.example.com' }))).toBeDefined();
    for (const socket of sockets) socket.destroy();
  });
});
