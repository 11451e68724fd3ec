import type { Sandbox } from './sandbox.ts';

/** Names of shared instances that a process is asked for again: those that may still be there, and some. */
const MAX_SHARED_NAMES = 128;

/** What is to run in a sandbox. */
export interface Needs {
  tenantId: string;
  contentHash: string;
  memoryBytes: number;
  /** What may run in the same process; see `groupOf`. */
  group: string;
  /** Of a version that may not serve yet: it is tried where it can disturb no call. */
  isTrial: boolean;
  /** Beside the tenant's usual work, which keeps a place for itself: trials, and what gives others no turn. */
  isAside: boolean;
  /** Without it, fresh state. */
  sharedInstance?: string | undefined;
}

/** A sandbox process of a tenant. */
export interface TenantProcess {
  readonly sandbox: Sandbox;
  readonly tenant: Tenant;
  /** Of a trial, its version's; changes when it is adopted. */
  group: string;
  trialOf: string | undefined;
  isAside: boolean;
  /** What it holds when nothing runs in it, as charged. */
  residentBytes: number;
  /** Work that has a place in it. */
  work: number;
  /** On the clock of `performance.now()`. */
  usedAt: number;
  /** It takes nothing new, and is ended at this time at the latest. */
  retiresAt: number | undefined;
  /** It has worked since it was last measured. */
  isStale: boolean;
  sharedInstances: Set<string>;
}

export interface Tenant {
  readonly id: string;
  readonly processes: Set<TenantProcess>;
  /** Bytes that its processes hold and its work may take. */
  charged: number;
  work: number;
  /** Times its processes came to a bad end of late. */
  badEnds: number;
  /** No process is started for it before, on the clock of `performance.now()`. */
  startsAt: number;
}

/** Whose executions may share a process. */
export type SandboxScope = 'tenant' | 'install';

/** Under scope `tenant` all of a tenant's work shares; what never gives others a turn, or was never tried, has a process of its own. */
export function groupOf(
  scope: SandboxScope,
  { installId, contentHash, takesTurns }: { installId: string; contentHash: string; takesTurns: boolean },
): string {
  const install = scope === 'install' ? installId : '';
  return takesTurns ? install : `${install} alone ${contentHash}`;
}

/** Whether it takes work. */
const isOpen = ({ sandbox, retiresAt }: TenantProcess): boolean => sandbox.alive && retiresAt === undefined;

/** What comes on top would take time from what it has. */
export const hasNoTime = ({ sandbox, work }: TenantProcess): boolean => sandbox.saturated && work > 0;

/** The process that is the best place for the work as things are; it may have no time left. */
export function chooseProcess({ processes }: Tenant, needs: Needs): TenantProcess | undefined {
  const { contentHash, sharedInstance, group, isTrial } = needs;
  let best: TenantProcess | undefined;
  let bestRank = Infinity;
  for (const process of processes) {
    if (!isOpen(process)) continue;
    const { sandbox, trialOf } = process;
    if (sharedInstance !== undefined && process.sharedInstances.has(sharedInstance)) return process;
    const isLoaded = sandbox.has(contentHash);
    if (trialOf !== undefined) {
      // A trial that went well and is over may be taken over by calls.
      if (trialOf !== contentHash || (!isTrial && (process.work > 0 || !isLoaded))) continue;
    } else if (process.group !== group || (isTrial && !isLoaded)) continue;
    const rank = (hasNoTime(process) ? 1e6 : 0) + (isLoaded ? 0 : 1e3) + process.work;
    if (rank < bestRank) [best, bestRank] = [process, rank];
  }
  return best;
}

/** Later calls of the instance find it there. */
export function remember({ sharedInstances }: TenantProcess, name: string): void {
  sharedInstances.delete(name);
  sharedInstances.add(name);
  if (sharedInstances.size <= MAX_SHARED_NAMES) return;
  const [oldest = name] = sharedInstances;
  sharedInstances.delete(oldest);
}
