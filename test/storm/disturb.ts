import { setTimeout as delay } from 'node:timers/promises';
import { processIdentity } from '../../starter/processes/identity.ts';
import { send } from '../../starter/processes/stop-process.ts';
import type { Disturbance, Round, Target } from './plan.ts';
import { descendantsOf, type ProcessEntry } from './process-table.ts';

/** A disturbance as it was carried out. */
export interface Disturbed extends Disturbance {
  /** When, in milliseconds since 1970. */
  at: number;
  /** When it was over: the process let go on, or dead. */
  until: number;
  /** Absent if there was no such process at that moment. */
  pid?: number;
}

export interface Disturber {
  /** Carries out a round. Resolves when every process that it froze goes on. */
  run(round: Round): Promise<void>;
  /** Lets every process go on, and does nothing more. */
  stop(): void;
  readonly done: readonly Disturbed[];
  /** Every process that was seen below one of the platform's, by what names it for ever. */
  readonly seen: ReadonlyMap<string, ProcessEntry>;
}

/** Scripts of the children that are met themselves; a sandbox shows what it is for. */
const CHILDREN: Partial<Record<Target, { of: string; script: string }>> = {
  sandbox: { of: 'runner', script: 'runner/sandbox/child.mjs tenant' },
  'sandbox-on-trial': { of: 'runner', script: 'runner/sandbox/child.mjs trial' },
  'spare-sandbox': { of: 'runner', script: 'runner/sandbox/child.mjs spare' },
  'precompile-child': { of: 'precompile-worker', script: 'platform/component/precompile-child.ts' },
};

/** `processes` answers the pids of the platform's own, by name. */
export function createDisturber(processes: () => Record<string, number>): Disturber {
  const stopped = new AbortController();
  const done: Disturbed[] = [];
  const seen = new Map<string, ProcessEntry>();

  function find({ target, which }: Disturbance): number | undefined {
    const running = processes();
    for (const pid of Object.values(running)) {
      for (const child of descendantsOf(pid)) {
        const identity = processIdentity(child.pid);
        if (identity !== undefined) seen.set(`${child.pid}/${identity}`, child);
      }
    }
    const child = CHILDREN[target];
    if (!child) return running[target];
    const parent = running[child.of];
    if (parent === undefined) return undefined;
    // A launcher before the script has become the script once it runs.
    const found = descendantsOf(parent).filter(({ command }) => command.includes(child.script));
    return found[Math.floor(which * found.length)]?.pid;
  }

  async function carryOut(disturbance: Disturbance, begun: number): Promise<void> {
    await delay(Math.max(0, begun + disturbance.atMs - Date.now()), undefined, stopped);
    const at = Date.now();
    const pid = find(disturbance);
    if (pid === undefined) {
      done.push({ ...disturbance, at, until: at });
      return;
    }
    const { freezeMs } = disturbance;
    if (freezeMs === undefined) send(pid, 'SIGKILL');
    else {
      // The parent first, so that it starts no child that would be missed. A server of PostgreSQL has its sessions as children.
      send(pid, 'SIGSTOP');
      const frozen = [pid, ...descendantsOf(pid).map((child) => child.pid)];
      for (const one of frozen) send(one, 'SIGSTOP');
      const identities = frozen.map(processIdentity);
      await delay(freezeMs, undefined, stopped).catch(() => undefined); // woken by stop
      frozen.forEach((one, index) => {
        if (processIdentity(one) === identities[index]) send(one, 'SIGCONT');
      });
    }
    done.push({ ...disturbance, at, until: Date.now(), pid });
  }

  return {
    done,
    seen,
    async run({ disturbances }) {
      const begun = Date.now();
      const outcomes = await Promise.allSettled(disturbances.map((one) => carryOut(one, begun)));
      if (stopped.signal.aborted) return;
      for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    },
    stop: () => stopped.abort(),
  };
}
