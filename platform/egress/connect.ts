import { once } from 'node:events';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { PlatformError } from '../../core/errors.ts';
import { codeOf } from './code-of.ts';

/** More would make one request a scan. */
const MAX_ATTEMPTS = 3;
const ATTEMPT_MS = 4_000;

export interface Destination {
  /** Checked; tried in this order. */
  addresses: readonly string[];
  port: number;
  /** Whose certificate the server must show, as a URL has it; undefined: no TLS. */
  certified: string | undefined;
}

/** Connects to one of the addresses and to nothing else. `ca`: certificates trusted instead of the usual ones. */
export async function connect(
  { addresses, port, certified }: Destination,
  { signal, ca }: { signal: AbortSignal; ca?: string | undefined },
): Promise<Socket> {
  let failure: unknown;
  for (const address of addresses.slice(0, MAX_ATTEMPTS)) {
    try {
      const socket = await opened(connectTcp({ host: address, port, noDelay: true }), 'connect', signal);
      if (certified === undefined) return socket;
      return await opened(secured(socket, certified, ca), 'secureConnect', signal);
    } catch (err) {
      signal.throwIfAborted();
      failure = err;
    }
  }
  throw new PlatformError('EGRESS_FAILED', `no connection (${codeOf(failure)})`, { cause: failure });
}

function secured(socket: Socket, certified: string, ca: string | undefined): Socket {
  const host = certified.replace(/^\[(.*)\]$/, '$1');
  return connectTls({
    socket,
    host,
    servername: isIP(host) === 0 ? host : '', // no address is a server name
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: true, // whatever the environment says
    ...(ca !== undefined && { ca }),
  });
}

/** The socket once the event came; destroyed if it fails, takes too long or the signal aborts. */
async function opened<S extends Socket>(socket: S, event: string, signal: AbortSignal): Promise<S> {
  try {
    await once(socket, event, { signal: AbortSignal.any([signal, AbortSignal.timeout(ATTEMPT_MS)]) });
    return socket;
  } catch (err) {
    socket.on('error', () => undefined); // what is destroyed may still fail
    socket.destroy();
    throw err;
  }
}
