import { lookup } from 'node:dns/promises';
import { BoundSocket } from 'node:net';

/**
 * What the processes of one address listen on, one after the other: while none does, who connects waits and is not refused, until it is
 * disposed of.
 */
export type HeldSocket = Pick<BoundSocket, 'fd' | 'address' | typeof Symbol.dispose>;

/** Where a role finds the first of its sockets: after its three streams and the channel to us. */
export const FIRST_SOCKET = 4;

/** Bound, and ours until we end. Throws what keeps the address from being taken. */
export async function holdSocket(host: string, port: number): Promise<HeldSocket> {
  const { address } = await lookup(host);
  return new BoundSocket({ host: address, port });
}
