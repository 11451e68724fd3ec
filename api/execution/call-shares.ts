import { createHash } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Request, Response } from 'express';
import { PlatformError } from '../../core/errors.ts';
import { isUuid } from '../../core/ids.ts';
import { createBoundedTurns } from '../../platform/bounded-turns.ts';
import { refuse } from './executor.ts';

/** Of this process's time, waiting for a core included: with more used up, who calls now and then stands behind who calls all the time. */
const BUSY = 0.7;
/** Between two looks at it. */
const LOOK_MS = 100;
/** Calls of a tenant that never wait, unless others of it do: a page asks for two things at once. */
const AT_ONCE = 2;
/** Who has been alone for so long has the process to itself. */
const ALONE_MS = 10_000;
/** A call that takes longer waits for something else than us, and counts no more. */
const COUNTS_MS = 50;
/** Extensions whose id is remembered by name. */
const MAX_NAMES = 10_000;

/** Made once, and thrown at nobody: who would hear it has left. */
const GONE = new PlatformError('CONCURRENCY_LIMITED', 'the client left before the turn of its call');

/** How much of this process's time is used. */
export interface Load {
  now: () => number;
  /** Share of the time since it was last asked, 0 to 1. */
  used: () => number;
}

/** How many short calls of each tenant go on at once while others of it wait. */
export interface CallShare {
  /** Notes that the tenant calls. */
  note(tenantId: string): void;
  readonly size: number;
}

/**
 * Grows by one in each LOOK_MS and halves when the process is busy, so that it settles where the process is almost busy (additive increase,
 * multiplicative decrease: Chiu and Jain, 1989). No bound for one tenant alone: more in progress at once is then only more work done.
 */
export function createCallShare(max: number, { now, used }: Load = eventLoopLoad()): CallShare {
  let size = max;
  let lookedAt = now();
  let latest: string | undefined;
  let changedAt = -Infinity; // from one tenant to another

  function look(): void {
    const steps = Math.floor((now() - lookedAt) / LOOK_MS);
    if (steps < 1) return;
    lookedAt = now();
    size = used() > BUSY ? Math.max(1, Math.floor(size / 2)) : Math.min(max, size + steps);
  }

  return {
    note(tenantId) {
      look();
      if (latest !== undefined && latest !== tenantId) changedAt = now();
      latest = tenantId;
    },
    get size() {
      return now() - changedAt < ALONE_MS ? size : Infinity;
    },
  };
}

function eventLoopLoad(): Load {
  let last = performance.eventLoopUtilization();
  return {
    now: () => performance.now(),
    used() {
      const current = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(current, last);
      last = current;
      return utilization;
    },
  };
}

type WithCredential = Pick<Request, 'headers'>;

export interface CallShares {
  /**
   * Settles when it is the turn of an authenticated call of the tenant. Throws CONCURRENCY_LIMITED when too many of the tenant's wait
   * already, or of this extension of it, under whichever of its names.
   */
  turn(of: { tenantId: string; extension: string }, req: WithCredential, res: Response): Promise<void>;
  /** Throws CONCURRENCY_LIMITED if it is known before authentication that `turn` would: calls with the very same credential wait. */
  refuseOverfull(extension: string, req: WithCredential): Promise<void>;
  /** An extension was found by what it was called by: from here on its calls are counted together. */
  found(extension: string, extensionId: string): void;
  /** Tenants with calls, and of calls that wait the credentials and extensions. */
  readonly size: { tenants: number; credentials: number; extensions: number };
}

/** Calls that may wait. */
export interface CallLimits {
  tenant: number;
  /** Of one extension, of which a tenant has one install, so that others of its tenant have room. */
  install: number;
}

/** Lets each tenant have its share of calls in progress; of what is over some wait, behind calls of their own tenant and of nobody else. */
export function createCallShares(
  limits: CallLimits,
  share: CallShare = createCallShare(limits.tenant),
): CallShares {
  const turns = createBoundedTurns({
    // A tenant of which calls wait would take more than its share: it keeps to it.
    atOnce: (waiting) => (waiting === 0 ? Math.max(AT_ONCE, share.size) : share.size),
    waiting: limits.tenant,
  });
  const byCredential = new Map<string, { tenantId: string; calls: number }>();
  const byExtension = new Map<string, { calls: number }>();
  /** By `publisher.name`; which is which the registry never changes. */
  const extensionIds = new Map<string, string>();

  const nameOf = (tenantId: string, extension: string): string =>
    `${tenantId} ${extensionIds.get(extension) ?? extension.toLowerCase()}`;

  function remember<Of extends { calls: number }>(
    waiting: Map<string, Of>,
    key: string,
    none: Of,
  ): () => void {
    const known = waiting.get(key) ?? none;
    known.calls += 1;
    waiting.set(key, known);
    return () => {
      known.calls -= 1;
      if (known.calls === 0) waiting.delete(key);
    };
  }

  function isFull(tenantId: string, extension: string): boolean {
    const { calls } = byExtension.get(nameOf(tenantId, extension)) ?? { calls: 0 };
    return turns.isFull(tenantId) || (turns.isBusy(tenantId) && calls >= limits.install);
  }

  return {
    async turn({ tenantId, extension }, req, res) {
      share.note(tenantId);
      const leave = turns.enter(tenantId);
      if (leave) {
        whenOver(res, leave);
        return;
      }
      if (isFull(tenantId, extension)) await refuse();
      const forget = turns.isBusy(tenantId)
        ? [
            remember(byCredential, credentialOf(req), { tenantId, calls: 0 }),
            remember(byExtension, nameOf(tenantId, extension), { calls: 0 }),
          ]
        : [];
      const gone = new AbortController();
      if (res.closed) gone.abort(GONE);
      else res.once('close', () => gone.abort(GONE));
      const { promise, resolve, reject } = Promise.withResolvers<undefined>();
      const inProgress = (): Promise<void> => {
        resolve(undefined);
        return new Promise<void>((over) => whenOver(res, over));
      };
      turns.run(tenantId, gone.signal, inProgress).catch(reject);
      await promise.finally(() => forget.forEach((one) => one()));
    },
    async refuseOverfull(extension, req) {
      const known = byCredential.size > 0 && byCredential.get(credentialOf(req));
      if (known && isFull(known.tenantId, extension)) await refuse();
    },
    found(extension, extensionId) {
      if (isUuid(extension) || extensionIds.has(extension)) return;
      if (extensionIds.size >= MAX_NAMES) extensionIds.clear(); // they are found again
      extensionIds.set(extension, extensionId);
    },
    get size() {
      return { tenants: turns.size, credentials: byCredential.size, extensions: byExtension.size };
    },
  };
}

/** What was presented, without holding it. */
function credentialOf({ headers }: WithCredential): string {
  return createHash('sha256')
    .update(headers.authorization ?? '')
    .digest('base64');
}

/** Calls `tell` once, when what counts of a call is over. */
function whenOver(res: Response, tell: () => void): void {
  let isOver = false;
  const end = (): void => {
    clearTimeout(timer);
    if (!isOver) tell();
    isOver = true;
  };
  const timer = setTimeout(end, COUNTS_MS);
  res.once('close', end);
}
