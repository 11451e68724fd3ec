import { isPlatformError, PlatformError } from '../../core/errors.ts';
import { hostsAllow } from '../../core/host-pattern.ts';
import { createSharedPlaces } from '../shared-places.ts';
import { connect } from './connect.ts';
import { createConnections, type Connection, type Use } from './connections.ts';
import { exchange, type EgressResponse } from './exchange.ts';
import { createHeldBytes } from './held-bytes.ts';
import { checkMessage, parseUrl, redirected, sizeOf, type EgressRequest, type Message } from './message.ts';
import { createAddressCheck } from './public-addresses.ts';
import { createResolve } from './resolve.ts';

const MIB = 1024 * 1024;

const MAX_REQUEST_BYTES = 16 * MIB;
const MAX_RESPONSE_BYTES = 8 * MIB;
const MAX_REDIRECTS = 5;
/** Turn, name, connection and certificate. */
const CONNECT_MS = 10_000;
const HELD_BYTES = { ofTenant: 32 * MIB, own: MIB, shared: 256 * MIB };
/** Of each tenant, whatever the others have under way. */
const OWN_PLACES = 4;
const REDIRECTS = [301, 302, 303, 307, 308];
/** Asked again on a new connection, if one that had waited is closed instead of answering. */
const REPEATABLE = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'];
/** Never public, whatever answers for them. */
const PRIVATE_NAMES = ['localhost', 'localdomain', 'local', 'internal', 'intranet', 'lan', 'home.arpa'];

export interface EgressConfig {
  /** Patterns of `core/host-pattern.ts` that no grant goes beyond; undefined: grants alone count. */
  allowlist?: readonly string[] | undefined;
  /** Ranges in CIDR notation that may be called though they are not public. */
  unsafeCidrs: readonly string[];
  /** Asked instead of the system's: `address` or `address:port`. */
  dnsServers?: readonly string[] | undefined;
  /** Requests of one tenant at once, and of all beside the few that each may have anyway. */
  concurrency: { tenant: number; all: number };
  /** Certificates that are trusted instead of the usual ones. */
  ca?: string | undefined;
}

/** For whom a request is sent, and what of it is allowed. */
export interface Sender {
  tenantId: string;
  /** Whose connections it may use again, within the tenant: an install. */
  owner: string;
  /** Patterns of its grant. */
  hosts: readonly string[];
  signal: AbortSignal;
  /** Told of the bytes of each message before it is sent; throws to stop. */
  onSend: (bytes: number) => void;
  /** Told when none of them left, since no connection came about. */
  onUnsent: (bytes: number) => void;
  /** Told of the bytes of an answer's body as they come; throws to stop. */
  onReceive: (bytes: number) => void;
}

/**
 * The one way out of the platform for what tenants want sent. Each request, and each redirect of it, has its URL, the grant, the operator's
 * list and every address of its host checked, and goes to a checked address.
 */
export interface Egress {
  /**
   * Throws EGRESS_INVALID, EGRESS_NOT_ALLOWED, EGRESS_LIMITED or EGRESS_FAILED, whose messages say why in words that hold neither path,
   * query nor header values; what the signal throws when it aborts. `details.origin` is where the request had been led by then.
   */
  send(request: EgressRequest, sender: Sender): Promise<EgressResponse>;
  /** Closes connections that wait for a request. */
  close(): void;
}

export function createEgress(config: EgressConfig): Egress {
  const { tenant, all } = config.concurrency;
  const places = createSharedPlaces({ own: OWN_PLACES, shared: all, atOnce: tenant, waiting: 2 * tenant });
  const areAllowed = createAddressCheck(config.unsafeCidrs);
  const resolve = createResolve(config.dnsServers);
  const connections = createConnections();
  const held = createHeldBytes(HELD_BYTES);

  const checkHost = (url: URL, { hosts }: Sender): void => {
    if (!hostsAllow(hosts, url)) throw notAllowed('its host is not among those of the grant', url, 'grant');
    if (config.allowlist && !hostsAllow(config.allowlist, url)) {
      throw notAllowed('its host is not among those that the operator allows', url, 'operator');
    }
    if (config.unsafeCidrs.length === 0 && isPrivateName(url.hostname)) {
      throw notAllowed('its host is of a private network', url, 'address');
    }
  };

  const openConnection = async (url: URL, use: Use, signal: AbortSignal): Promise<Connection> => {
    const addresses = await resolve(url.hostname, use.tenantId, signal);
    if (!areAllowed(addresses)) {
      throw notAllowed('its host has an address that is not public', url, 'address');
    }
    const isSecure = url.protocol === 'https:';
    const port = Number(url.port || (isSecure ? 443 : 80));
    const destination = { addresses, port, certified: isSecure ? url.hostname : undefined };
    return connections.open(use, await connect(destination, { signal, ca: config.ca }));
  };

  const connected = async (url: URL, use: Use, signal: AbortSignal): Promise<Connection> => {
    const timeout = AbortSignal.timeout(CONNECT_MS);
    try {
      return await openConnection(url, use, AbortSignal.any([signal, timeout]));
    } catch (err) {
      signal.throwIfAborted();
      if (timeout.aborted) throw new PlatformError('EGRESS_FAILED', 'no connection in time', { cause: err });
      throw err;
    }
  };

  const hop = async (url: URL, message: Message, sender: Sender): Promise<EgressResponse> => {
    const { tenantId, owner, signal } = sender;
    const use = { tenantId, owner, origin: url.origin };
    const once = async (connection: Connection): Promise<EgressResponse> => {
      let received = 0;
      const onBytes = (bytes: number): void => {
        sender.onReceive(bytes);
        held.take(tenantId, bytes);
        received += bytes;
      };
      try {
        const options = { signal, maxBytes: MAX_RESPONSE_BYTES, onBytes };
        return await exchange(connection, message, `${url.pathname}${url.search}`, options);
      } finally {
        held.release(tenantId, received);
        connections.giveBack(connection);
      }
    };
    // Before anybody is asked for a name: who may send nothing sends nothing.
    const size = sizeOf(message, url);
    sender.onSend(size);
    const waiting = connections.take(use);
    if (waiting !== undefined) {
      const readBefore = waiting.socket.bytesRead;
      try {
        return await once(waiting);
      } catch (err) {
        const isUnheard = waiting.socket.bytesRead === readBefore && REPEATABLE.includes(message.method);
        if (!isUnheard || !isPlatformError(err) || err.code !== 'EGRESS_FAILED') throw err;
        sender.onSend(size);
      }
    }
    const fresh = await connected(url, use, signal).catch((err: unknown) => {
      sender.onUnsent(size);
      throw err;
    });
    return once(fresh);
  };

  const follow = async (request: EgressRequest, sender: Sender): Promise<EgressResponse> => {
    let message = checkMessage(request);
    let url = parseUrl(request.url);
    for (let redirects = 0; ; redirects += 1) {
      checkHost(url, sender);
      const response = await hop(url, message, sender).catch((err: unknown) => throwAt(url, err));
      const location = response.headers.find(({ name }) => name === 'location')?.value;
      if (location === undefined || !REDIRECTS.includes(response.status)) return response;
      if (redirects === MAX_REDIRECTS) {
        throwAt(url, new PlatformError('EGRESS_FAILED', `it is led on more than ${MAX_REDIRECTS} times`));
      }
      const next = parseUrl(location, url);
      if (url.protocol === 'https:' && next.protocol === 'http:') {
        throw notAllowed('it is led from https to http', next, 'redirect');
      }
      message = redirected(message, response.status, url, next);
      url = next;
    }
  };

  return {
    async send(request, sender) {
      const { tenantId, signal } = sender;
      if ((request.body?.byteLength ?? 0) > MAX_REQUEST_BYTES) {
        throw new PlatformError('EGRESS_LIMITED', `its body is larger than ${MAX_REQUEST_BYTES} bytes`);
      }
      try {
        return await places.run(tenantId, signal, () => follow(request, sender));
      } catch (err) {
        if (!isPlatformError(err) || err.code !== 'CONCURRENCY_LIMITED') throw err;
        throw new PlatformError('EGRESS_LIMITED', 'too many requests are being sent at once', { cause: err });
      }
    },
    close: () => connections.close(),
  };
}

function notAllowed(
  message: string,
  { origin, host }: URL,
  rule: 'grant' | 'operator' | 'address' | 'redirect',
): PlatformError {
  return new PlatformError('EGRESS_NOT_ALLOWED', message, { details: { origin, host, rule } });
}

/** The same error with the origin that it happened at. */
function throwAt({ origin }: URL, err: unknown): never {
  if (!isPlatformError(err)) throw err;
  throw new PlatformError(err.code, err.message, { details: { origin, ...err.details }, cause: err });
}

function isPrivateName(hostname: string): boolean {
  if (!hostname.includes('.') && !hostname.startsWith('[')) return true;
  return PRIVATE_NAMES.some((name) => hostname === name || hostname.endsWith(`.${name}`));
}
