import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createRawServer, type AddressInfo, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { isPlatformError } from '../../core/errors.ts';
import { createEgress, type Egress, type EgressConfig, type Sender } from '../../platform/egress/egress.ts';
import type { EgressResponse } from '../../platform/egress/exchange.ts';
import type { EgressRequest } from '../../platform/egress/message.ts';
import { addresses, startDnsServer, type DnsServer } from './dns-server.ts';

const TLS = path.join(import.meta.dirname, '..', 'fixtures', 'egress-tls');
const pem = (file: string): string => readFileSync(path.join(TLS, file), 'utf8');

/** Stands for whatever is public: the one address that the guard is told to let through. */
export const OUTSIDE = '127.0.0.2';
/** Stands for whatever is private: nothing of the corpus may ever connect to it. */
const INSIDE = '127.0.0.1';

export interface Outcome {
  ok?: EgressResponse;
  /** Code of the refusal, with the rule where there is one: `EGRESS_NOT_ALLOWED address`. */
  refused?: string;
  message?: string;
}

export interface EgressWorld {
  dns: DnsServer;
  /** Of the servers outside; the one inside listens on the same, in IPv4 and IPv6. */
  port: number;
  tlsPort: number;
  /** Served outside by path. */
  routes: Record<string, RequestListener>;
  /** Requests that came to the servers outside: `GET public.test /path`. */
  seen: string[];
  /** Connections that came inside. */
  intrusions: string[];
  egress: Egress;
  guard(config?: Partial<EgressConfig>): Egress;
  /** Sends a request for hosts of the ports of this world, unless told otherwise. */
  send(
    request: Partial<EgressRequest> & { url: string },
    sender?: Partial<Sender> & { through?: Egress },
  ): Promise<Outcome>;
  /** A server outside that does with a connection whatever it wants; answers its URL. */
  raw(onConnection: (socket: Socket) => void): Promise<string>;
  close(): Promise<void>;
}

/** A guard with a name server, servers that it may reach, and one that it may not, all on this machine. */
export async function startEgressWorld(): Promise<EgressWorld> {
  const dns = await startDnsServer();
  const seen: string[] = [];
  const intrusions: string[] = [];
  const routes: EgressWorld['routes'] = {};
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  const guards: Egress[] = [];

  const listen = async (server: Server, host: string, port = 0): Promise<number> => {
    servers.push(server.listen(port, host));
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const serve: RequestListener = (req, res) => {
    const [pathname = ''] = (req.url ?? '').split('?');
    seen.push(`${req.method ?? ''} ${req.headers.host?.replace(/:.*/, '') ?? ''} ${req.url ?? ''}`);
    const route = routes[pathname];
    if (route) route(req, res);
    else res.end('outside');
  };
  const inside = (): Server =>
    createRawServer((socket) => {
      sockets.add(socket.resume());
      intrusions.push(`${socket.localAddress ?? ''} ${socket.localPort ?? 0}`);
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\ninside');
    });

  const port = await listen(createServer(serve), OUTSIDE);
  const tlsPort = await listen(
    createTlsServer({ key: pem('server.key'), cert: pem('server.pem') }, serve),
    OUTSIDE,
  );
  for (const taken of [port, tlsPort]) {
    await listen(inside(), INSIDE, taken);
    await listen(inside(), '::1', taken);
  }

  dns.serve('public.test', addresses('public.test', OUTSIDE));
  dns.serve('secure.test', addresses('secure.test', OUTSIDE));
  dns.serve('private.test', addresses('private.test', INSIDE));

  const guard = (config: Partial<EgressConfig> = {}): Egress => {
    const made = createEgress({
      unsafeCidrs: [`${OUTSIDE}/32`],
      dnsServers: [dns.address],
      concurrency: { tenant: 8, all: 64 },
      ca: pem('ca.pem'),
      ...config,
    });
    guards.push(made);
    return made;
  };
  const egress = guard();

  return {
    dns,
    port,
    tlsPort,
    routes,
    seen,
    intrusions,
    egress,
    guard,
    async send(request, { through = egress, ...sender } = {}) {
      try {
        const hosts = [port, tlsPort].flatMap((one) => [
          `*.test:${one}`,
          `${INSIDE}:${one}`,
          `${OUTSIDE}:${one}`,
          `localhost:${one}`,
        ]);
        const ok = await through.send(
          { method: 'GET', headers: [], ...request },
          {
            tenantId: 'tenant',
            owner: 'install',
            hosts,
            signal: AbortSignal.timeout(60_000),
            onSend: () => undefined,
            onUnsent: () => undefined,
            onReceive: () => undefined,
            ...sender,
          },
        );
        return { ok };
      } catch (err) {
        if (!isPlatformError(err)) throw err;
        const { rule } = err.details;
        return { refused: typeof rule === 'string' ? `${err.code} ${rule}` : err.code, message: err.message };
      }
    },
    async raw(onConnection) {
      const server = createRawServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => socket.destroy()); // it is cut off, which is the point
        onConnection(socket);
      });
      const at = await listen(server, OUTSIDE);
      return `http://${OUTSIDE}:${at}/`;
    },
    async close() {
      for (const made of guards) made.close();
      for (const socket of sockets) socket.destroy();
      await Promise.all([dns.close(), ...servers.map(closed)]);
    },
  };
}

async function closed(server: Server): Promise<void> {
  const end = once(server, 'close');
  server.close();
  if ('closeAllConnections' in server) (server as ReturnType<typeof createServer>).closeAllConnections();
  await end;
}
