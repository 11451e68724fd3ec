import { isPlatformError } from '../../core/errors.ts';
import type { RunnerAddress } from '../../platform/config/runner-addresses.ts';
import type { Logger } from '../../platform/logger.ts';
import { createAnnouncements, type Announcements } from './announcements.ts';
import { choose, hash32, type Candidate } from './runner-choice.ts';
import { createRunnerClient, type RunnerClient } from './runner-client.ts';
import { watchAddresses, type KnownAddress } from './runner-addresses.ts';

/** Each of several runners is asked this often how it is, … */
const ASK_EVERY_MS = 1_000;
/** … and one that has not said so within this time gets nothing new while others have. */
const SILENT_MS = 2_000;

/** A runner, its address as requests are sealed for it, and what it may be sent. */
export interface Runner {
  client: Pick<RunnerClient, 'execute' | 'warm'>;
  audience: string;
  announcements: Announcements;
  /** Told what a request to it failed with, so that the next ones need not find it out. */
  failedWith(err: unknown): void;
}

/** The one place that knows which runners there are. */
export interface Runners {
  /**
   * The runner for a tenant's executions of a bundle; one of the others once some are spent. Undefined if there is none. One that is away
   * or drains comes last.
   */
  pick(tenantId: string, contentHash: string, spent?: ReadonlySet<Runner>): Runner | undefined;
  close(): Promise<void>;
}

/** Away: it does not answer. Unwilling: it drains, or its object store is away. */
const RANKS = { away: 0, unwilling: 1, ready: 2 } as const;
type State = keyof typeof RANKS;

interface Member extends Runner, Candidate {
  ask(): void;
  close(): Promise<void>;
}

/** `resolve` finds the addresses of a name. */
export function createRunners(
  addresses: readonly RunnerAddress[],
  logger: Logger,
  resolve?: (hostname: string) => Promise<string[]>,
): Runners {
  let members: readonly Member[] = [];
  const leaving = new Set<Promise<void>>();

  function know(known: readonly KnownAddress[]): void {
    const before = new Map(members.map((member) => [member.audience, member]));
    // One may be found under two names.
    const byUrl = new Map(known.map((address) => [address.baseUrl, address]));
    members = [...byUrl.values()].map(
      (address) => before.get(address.baseUrl) ?? createMember(address, logger),
    );
    const kept = new Set(members);
    for (const member of before.values()) {
      if (kept.has(member)) continue;
      const closed = member.close().finally(() => leaving.delete(closed)); // once it has answered what it was sent
      leaving.add(closed);
    }
  }
  const watching = watchAddresses(addresses, { known: know, logger, ...(resolve && { resolve }) });
  const asking = setInterval(() => {
    // The only one is chosen however it is.
    if (members.length > 1) for (const member of members) member.ask();
  }, ASK_EVERY_MS);
  asking.unref();

  return {
    pick: (tenantId, contentHash, spent) =>
      choose(members, members.length > 1 ? `${tenantId} ${contentHash}` : '', spent as ReadonlySet<Member>),
    async close() {
      clearInterval(asking);
      watching.stop();
      await Promise.all([...members.map((member) => member.close()), ...leaving]);
    },
  };
}

function createMember({ baseUrl, ...address }: KnownAddress, logger: Logger): Member {
  const client = createRunnerClient({ baseUrl, ...address });
  let state: State = 'ready'; // until it is heard, a call finds out
  const become = (next: State, why: string): void => {
    if (next === state) return;
    logger[next === 'ready' ? 'info' : 'warn']({ runner: baseUrl, why }, `runner is ${next}`);
    state = next;
  };
  const announcements = createAnnouncements({
    ask: async () => {
      const silent = setTimeout(() => become('away', 'it does not answer'), SILENT_MS);
      try {
        const { unready, announcement } = await client.readiness();
        become(unready === undefined ? 'ready' : 'unwilling', unready ?? 'it answers');
        return announcement;
      } catch (err) {
        become('away', 'it cannot be reached');
        throw err;
      } finally {
        clearTimeout(silent);
      }
    },
    logger: logger.child({ runner: baseUrl }),
    now: () => performance.now(),
  });
  const ask = (): void => void announcements.renewed().catch(() => undefined); // what came of it is its state
  return {
    client,
    audience: baseUrl,
    announcements,
    seed: hash32(baseUrl),
    rank: () => RANKS[state],
    underWay: () => client.underWay(),
    ask,
    failedWith(err) {
      if (!isPlatformError(err)) return;
      if (err.code === 'RUNNER_UNAVAILABLE') become('away', 'it cannot be reached');
      else if (err.details['runnerCode'] === 'RUNNER_DRAINING') become('unwilling', 'draining');
      else if (err.code === 'OUTCOME_UNKNOWN') ask();
    },
    close: () => client.close(),
  };
}
