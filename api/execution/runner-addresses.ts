import { lookup } from 'node:dns/promises';
import { isIPv6 } from 'node:net';
import type { SecretValue } from '../../core/secret-value.ts';
import type { RunnerAddress } from '../../platform/config/runner-addresses.ts';
import type { Logger } from '../../platform/logger.ts';

/** How soon a runner that was added is used. */
const RESOLVE_EVERY_MS = 3_000;

/** Of one runner. */
export interface KnownAddress {
  /** As requests are sealed for it. */
  baseUrl: string;
  serviceToken: SecretValue;
  /** The name that its certificate is for, where it was found by one. */
  servername?: string;
}

export interface WatchDeps {
  /** Told at once of what needs no resolving, and of all whenever they change. */
  known: (addresses: readonly KnownAddress[]) => void;
  logger: Logger;
  resolve?: (hostname: string) => Promise<string[]>;
}

/** Names are resolved again and again; what a name was last found to have stays while nobody answers for it. */
export function watchAddresses(
  addresses: readonly RunnerAddress[],
  { known, logger, resolve = addressesOf }: WatchDeps,
): { stop(): void } {
  const found = new Map<RunnerAddress, readonly KnownAddress[]>();
  for (const address of addresses) {
    if (!address.isName) found.set(address, [address]);
  }
  const tell = (): void => known(addresses.flatMap((address) => found.get(address) ?? []));
  tell();
  const names = addresses.filter(({ isName }) => isName);
  const finding = new Set<RunnerAddress>();
  let stopped = false;

  async function find(address: RunnerAddress): Promise<void> {
    if (finding.has(address)) return;
    finding.add(address);
    const { hostname } = new URL(address.baseUrl);
    try {
      const ips = (await resolve(hostname)).toSorted();
      const before = found.get(address)?.map(({ baseUrl }) => baseUrl);
      const now = [...new Set(ips)].map((ip) => at(address, ip));
      if (stopped || String(before) === String(now.map(({ baseUrl }) => baseUrl))) return;
      logger.info(
        { name: hostname, runners: now.map(({ baseUrl }) => baseUrl) },
        'runners were found by name',
      );
      found.set(address, now);
      tell();
    } catch (err) {
      logger.warn({ err, name: hostname }, 'the name of the runners is not resolved');
    } finally {
      finding.delete(address);
    }
  }
  const findAll = (): void => names.forEach((address) => void find(address));
  findAll();
  const timer = names.length > 0 ? setInterval(findAll, RESOLVE_EVERY_MS) : undefined;
  timer?.unref();
  return {
    stop() {
      stopped = true;
      clearInterval(timer);
    },
  };
}

/** Of one family: a runner knows one address as its own. */
async function addressesOf(hostname: string): Promise<string[]> {
  const found = await lookup(hostname, { all: true });
  const family = found.some((one) => one.family === 4) ? 4 : 6;
  return found.filter((one) => one.family === family).map(({ address }) => address);
}

/** A runner that was found by name is addressed, and sealed for, by its own address: what is for one is no use to another. */
function at({ baseUrl, serviceToken }: RunnerAddress, ip: string): KnownAddress {
  const url = new URL(baseUrl);
  const servername = url.hostname;
  url.hostname = isIPv6(ip) ? `[${ip}]` : ip;
  return { baseUrl: url.href.replace(/\/$/, ''), serviceToken, servername };
}
