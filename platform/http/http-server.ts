import { once } from 'node:events';
import { createServer, type RequestListener, type ServerOptions, type ServerResponse } from 'node:http';
import { Server as NetServer, type AddressInfo, type Socket } from 'node:net';

/** Longer than any client of ours keeps an idle connection, so that the client is the one that closes it. */
const KEEP_ALIVE_MS = 75_000;
/** On closing, an idle connection stays this long: its client may have sent a request that is still on its way. */
const LINGER_MS = 250;

export interface HttpServer {
  /** Answers the port, which the system chose if 0 was asked for. Rejects if it is taken. */
  listen(address: { host: string; port: number }): Promise<number>;
  /**
   * Takes no new connections and answers what arrived on open ones, each with `connection: close`. What has not ended after
   * `graceMs` is cut.
   */
  close(graceMs: number): Promise<void>;
}

export function createHttpServer(serve: RequestListener, options: ServerOptions = {}): HttpServer {
  const open = new Set<Socket>();
  const underWay = new Map<ServerResponse, Socket>();
  let closing = false;

  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, ...options }, (req, res) => {
    underWay.set(res, req.socket);
    if (closing) res.setHeader('connection', 'close');
    res.once('close', () => {
      underWay.delete(res);
      // The head of this one may have been sent before closing began, without a word about the connection.
      if (closing) req.socket.destroySoon();
    });
    serve(req, res);
  });
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });

  function closeIdle(): void {
    const busy = new Set(underWay.values());
    for (const socket of open) if (!busy.has(socket)) socket.destroySoon();
  }

  return {
    async listen({ host, port }) {
      server.listen(port, host);
      await once(server, 'listening');
      return (server.address() as AddressInfo).port;
    },

    async close(graceMs) {
      closing = true;
      for (const res of underWay.keys()) if (!res.headersSent) res.setHeader('connection', 'close');
      const closed = once(server, 'close');
      // Not the HTTP server's own: that destroys connections at once whose answer is written but not yet sent.
      NetServer.prototype.close.call(server);
      const idle = setTimeout(closeIdle, Math.min(LINGER_MS, graceMs));
      const cut = setTimeout(() => server.closeAllConnections(), graceMs);
      await closed;
      clearTimeout(idle);
      clearTimeout(cut);
    },
  };
}
