import { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { PlatformError } from '../../core/errors.ts';
import { createBoundedTurns } from '../bounded-turns.ts';
import { codeOf } from './code-of.ts';

/** c-ares doubles it at the second try. */
const TRY_MS = 1_500;
const TRIES = 2;
/** A name that has more is a trick, or none that anybody calls. */
const MAX_ADDRESSES = 64;
/** Look-ups go on when whoever asked is gone, and are counted until they end. */
const TENANT_LOOKUPS = { atOnce: 16, waiting: 64 };

/** The addresses of a URL's host, of either family. Throws EGRESS_FAILED, EGRESS_LIMITED; what the signal throws. */
export type Resolve = (hostname: string, tenantId: string, signal: AbortSignal) => Promise<string[]>;

/**
 * Asks DNS alone: no hosts file, no search domains, and not the threads of libuv, which look-ups that hang would take from all tenants.
 * Without `servers` those of the system are asked.
 */
export function createResolve(servers: readonly string[] | undefined): Resolve {
  const resolver = new Resolver({ timeout: TRY_MS, tries: TRIES });
  if (servers) resolver.setServers(servers);
  const turns = createBoundedTurns(TENANT_LOOKUPS);

  const lookUp = async (name: string): Promise<string[]> => {
    const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    if (addresses.length > 0) return addresses;
    const codes = answers.map((answer) => (answer.status === 'rejected' ? codeOf(answer.reason) : 'none'));
    throw new PlatformError('EGRESS_FAILED', `its name has no address (${[...new Set(codes)].join(', ')})`);
  };

  return async (hostname, tenantId, signal) => {
    const literal = hostname.replace(/^\[(.*)\]$/, '$1');
    if (isIP(literal) !== 0) return [literal];
    const addresses = await abortable(
      signal,
      turns.run(tenantId, signal, () => lookUp(hostname)),
    );
    if (addresses.length > MAX_ADDRESSES) {
      throw new PlatformError('EGRESS_FAILED', `its name has more than ${MAX_ADDRESSES} addresses`);
    }
    return addresses;
  };
}

async function abortable<Result>(signal: AbortSignal, work: Promise<Result>): Promise<Result> {
  const aborted = Promise.withResolvers<never>();
  const giveUp = (): void => aborted.reject(signal.reason as Error);
  signal.addEventListener('abort', giveUp);
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}
