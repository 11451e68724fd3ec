import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { pipeline } from 'node:stream';

export interface TcpForward {
  port: number;
  /** That were taken, ever. */
  connections(): number;
  close(): Promise<void>;
}

/** Another address of a server of this machine. */
export async function forwardTcp(to: number): Promise<TcpForward> {
  const open = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    open.add(socket);
    const onward = connect(to, '127.0.0.1');
    pipeline(socket, onward, socket, () => void open.delete(socket)); // whichever ends, both are destroyed
  });
  await once(server.listen(0), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    async close() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
