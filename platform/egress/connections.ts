import type { Socket } from 'node:net';
import { Client } from 'undici';
import { PlatformError } from '../../core/errors.ts';

const MAX_IDLE = 256;
const MAX_IDLE_OF_TENANT = 16;
const MAX_RESPONSE_HEADER_BYTES = 32 * 1024;
/** Until the head of an answer is there, and between two pieces of its body. */
const HEADERS_MS = 120_000;
const BODY_MS = 30_000;
/** Unless the server names another time, of at most the second. */
const IDLE_MS = 4_000;
const MAX_IDLE_MS = 30_000;

/** Who may use a connection again, and for what. */
export interface Use {
  tenantId: string;
  /** An install, say: what one has sent does not meet what another one sends. */
  owner: string;
  origin: string;
}

/** HTTP/1.1 on one socket, which is never replaced by another. */
export interface Connection {
  readonly client: Client;
  readonly socket: Socket;
  readonly use: Use;
}

export interface Connections {
  /** One that waits for a request of this use. */
  take(use: Use): Connection | undefined;
  open(use: Use, socket: Socket): Connection;
  /** For a later request, if it is still good and there is room; or closes it. */
  giveBack(connection: Connection): void;
  /** Closes those that wait. */
  close(): void;
}

export function createConnections(): Connections {
  const idle = new Set<Connection>(); // the longest first

  const drop = (connection: Connection): void => {
    idle.delete(connection);
    connection.client.destroy().catch(() => undefined); // it is closed, however that went
  };
  const isGood = ({ client, socket }: Connection): boolean => !client.destroyed && !socket.destroyed;

  return {
    take(use) {
      for (const connection of [...idle].reverse()) {
        if (!isSame(connection.use, use)) continue;
        idle.delete(connection);
        if (isGood(connection)) return connection;
        drop(connection);
      }
      return undefined;
    },
    open(use, socket) {
      let isGiven = false;
      const client = new Client(use.origin, {
        connect(_options, callback) {
          const isLost = isGiven || socket.destroyed;
          isGiven = true;
          // Later: the client does not heed an answer before it has asked to the end.
          queueMicrotask(() => {
            if (isLost) callback(new PlatformError('EGRESS_FAILED', 'its connection was closed'), null);
            else callback(null, socket);
          });
        },
        pipelining: 1,
        maxHeaderSize: MAX_RESPONSE_HEADER_BYTES,
        headersTimeout: HEADERS_MS,
        bodyTimeout: BODY_MS,
        keepAliveTimeout: IDLE_MS,
        keepAliveMaxTimeout: MAX_IDLE_MS,
      });
      const connection = { client, socket, use };
      // The client listens while it has a request; a reset at another time would end the process.
      socket.on('error', () => drop(connection));
      socket.once('close', () => drop(connection));
      return connection;
    },
    giveBack(connection) {
      if (!isGood(connection)) {
        drop(connection);
        return;
      }
      idle.add(connection);
      const ofTenant = [...idle].filter(({ use }) => use.tenantId === connection.use.tenantId);
      if (ofTenant.length > MAX_IDLE_OF_TENANT) drop(ofTenant[0] as Connection);
      else if (idle.size > MAX_IDLE) drop(idle.values().next().value as Connection);
    },
    close() {
      for (const connection of idle) drop(connection);
    },
  };
}

function isSame(one: Use, other: Use): boolean {
  return one.tenantId === other.tenantId && one.owner === other.owner && one.origin === other.origin;
}
