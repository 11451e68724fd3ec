import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { Server as NetServer, type AddressInfo, type Socket } from 'node:net';

/** Longer than any client of ours keeps an idle connection, so that the client is the one that closes it. */
const KEEP_ALIVE_MS = 75_000;
/** On closing, an idle connection stays this long: its client may have sent a request that is still on its way. */
const LINGER_MS = 1_000;

export interface ListenAddress {
  host: string;
  port: number;
  /** Of a socket that is bound already, by whoever started this process; then the rest says nothing. */
  fd?: number | undefined;
}

export interface HttpServer {
  /** Answers the port, which the system chose if 0 was asked for. Rejects if it is taken. */
  listen(address: ListenAddress): Promise<number>;
  /**
   * Takes no new connections and answers what arrived on open ones, each with `connection: close`. What has not ended after
   * `graceMs` is cut.
   */
  close(graceMs: number): Promise<void>;
}

export interface HttpServerOptions extends ServerOptions {
  /** Of requests whose client waits to be told before it sends the body (`Expect: 100-continue`): who serves them tells it. */
  continuesLater?: (req: IncomingMessage) => boolean;
}

export function createHttpServer(
  serve: RequestListener,
  { continuesLater = () => false, ...options }: HttpServerOptions = {},
): HttpServer {
  const open = new Set<Socket>();
  const underWay = new Set<ServerResponse>();
  let closing = false;

  // One for all answers: one each would cost a small answer a fifth of its time.
  function ended(this: ServerResponse): void {
    underWay.delete(this);
    // The head of this one may have been sent before closing began, without a word about the connection: its client may send more.
    if (closing) closeIfIdle([this.req.socket], LINGER_MS);
  }

  const begin: RequestListener = (req, res) => {
    underWay.add(res);
    if (closing) res.setHeader('connection', 'close');
    res.on('close', ended);
    serve(req, res);
  };
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, ...options }, begin);
  server.on('checkContinue', (req: IncomingMessage, res: ServerResponse & { req: IncomingMessage }) => {
    if (!continuesLater(req)) res.writeContinue();
    begin(req, res);
  });
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });

  /** Once what has arrived is read: a timer fires before that. */
  function closeIfIdle(sockets: Iterable<Socket>, afterMs: number): void {
    setTimeout(() => {
      setImmediate(() => {
        const busy = new Set([...underWay].map((res) => res.req.socket));
        for (const socket of sockets) if (!busy.has(socket)) socket.destroySoon();
      });
    }, afterMs).unref();
  }

  return {
    async listen({ host, port, fd }) {
      server.listen(fd === undefined ? { port, host } : { fd });
      await once(server, 'listening');
      return (server.address() as AddressInfo).port;
    },

    async close(graceMs) {
      closing = true;
      for (const res of underWay) if (!res.headersSent) res.setHeader('connection', 'close');
      const closed = once(server, 'close');
      // Not the HTTP server's own: that destroys connections at once whose answer is written but not yet sent.
      NetServer.prototype.close.call(server);
      closeIfIdle(open, Math.min(LINGER_MS, graceMs));
      const cut = setTimeout(() => server.closeAllConnections(), graceMs);
      await closed;
      clearTimeout(cut);
    },
  };
}
