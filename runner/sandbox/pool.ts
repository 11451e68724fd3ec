import { PlatformError } from '../../core/errors.ts';
import type { Logger } from '../../platform/logger.ts';
import { Processes } from './processes.ts';
import type { LossReason } from './sandbox-lost.ts';
import type { Sandbox } from './sandbox.ts';
import { createSpares } from './spares.ts';
import {
  chooseProcess,
  hasNoTime,
  remember,
  type Needs,
  type Tenant,
  type TenantProcess,
} from './tenant-processes.ts';
import { WaitingWork } from './waiting-work.ts';

const MEASURE_MS = 100;
/** Between two looks at who is idle, who does not answer, and who has not made way. */
const SWEEP_MS = 2_000;
/** What a process works on when it makes way for a tenant that has none may go on for so long. */
const MAKE_WAY_MS = 1_000;
/** One of several processes of a tenant is not kept for long. */
const EXTRA_IDLE_MS = 30_000;
/** A trial takes no other tenant's only process that was used within this time; nor do a tenant's own calls take that of its trial. */
const SPARED_MS = 10_000;
/** An idle process that holds more than this is replaced when it is needed again. */
const MAX_IDLE_BYTES = 768 * 1024 * 1024;

export interface SandboxPoolOptions {
  /** Processes kept ready for tenants that have none. */
  spares: number;
  /** Processes at most, spares included. */
  max: number;
  /** Processes of one tenant at most, two or more. */
  tenantMax: number;
  /** Bytes that all processes and what runs in them may take, and those of one tenant. */
  memoryBytes: number;
  tenantMemoryBytes: number;
  /** Work that waits for a place at most. */
  maxWaiting: number;
  /** After so long without work a process is ended. */
  idleMs: number;
}

export interface SandboxPoolDeps {
  createSandbox: () => Sandbox;
  countEnd: (reason: LossReason) => void;
  logger: Logger;
}

/** A place in a process, until it is given back. */
export interface Place {
  sandbox: Sandbox;
  /** `failed`: of a trial, it went wrong. */
  release(how?: 'failed'): void;
}

/** Sandbox processes, each of one tenant for life; a tenant has as many as its work needs, as long as others have theirs. */
export interface SandboxPool {
  /** A place in a process that is ready, as soon as there is one. Throws RUNNER_BUSY, RUNNER_DRAINING, and what the signal throws. */
  place(needs: Needs, signal: AbortSignal): Promise<Place>;
  /** Fills the spares. */
  start(): void;
  /** Refuses new work, waits for what runs (at most `graceMs`), then kills every process and waits for its end. */
  close(graceMs: number): Promise<void>;
  /** How many processes are of no tenant yet, have a version on trial, wait for work, or work. */
  states(): Record<'spare' | 'trial' | 'idle' | 'busy', number>;
  /** Work that waits for a place, and bytes charged. */
  readonly waiting: number;
  readonly chargedBytes: number;
}

export function createSandboxPool(options: SandboxPoolOptions, deps: SandboxPoolDeps): SandboxPool {
  const waiting = new WaitingWork(options.maxWaiting);
  let closing = false;
  let serving: NodeJS.Immediate | undefined;
  let drained: (() => void) | undefined;

  const serve = (): void => {
    serving = undefined;
    if (!closing) waiting.serve(find, (id) => processes.processesOf(id));
  };
  const serveSoon = (): void => {
    if (waiting.size > 0) serving ??= setImmediate(serve);
  };
  const processes = new Processes({ ...options, countEnd: deps.countEnd, onRoom: serveSoon });
  const size = (): number => processes.all.size + spares.size;
  const spares = createSpares(deps.createSandbox, () =>
    Math.min(options.spares, options.max - processes.all.size),
  );

  /** The idle process that is missed least; of a tenant's own, or of those with several, if so told. */
  const idle = (may: (process: TenantProcess) => boolean): TenantProcess | undefined => {
    let best: TenantProcess | undefined;
    const isExtra = ({ tenant }: TenantProcess): boolean => tenant.processes.size > 1;
    for (const process of processes.all) {
      if (process.work > 0 || !may(process)) continue;
      const isBetter =
        best === undefined ||
        (isExtra(process) === isExtra(best) ? process.usedAt < best.usedAt : isExtra(process));
      if (isBetter) best = process;
    }
    return best;
  };
  const reclaim = (may: (process: TenantProcess) => boolean): boolean => {
    const process = idle(may);
    if (!process) return false;
    processes.end(process, 'reclaimed');
    deps.logger.debug({ tenantId: process.tenant.id, pid: process.sandbox.pid }, 'idle sandbox reclaimed');
    return true;
  };
  const waitForFirst = (): number => {
    let count = 0;
    for (const id of waiting.tenantIds()) if (processes.processesOf(id) === 0) count += 1;
    return count;
  };
  /** Of a tenant with several, or of several for the same work, one takes no more work, so that it comes to an end. */
  const makeWay = (
    among: Iterable<TenantProcess>,
    may: (process: TenantProcess) => boolean,
    atMost = 1,
  ): void => {
    let chosen: TenantProcess | undefined;
    let leaving = 0;
    for (const process of among) {
      if (process.retiresAt !== undefined && (leaving += 1) >= atMost) return;
      if (process.retiresAt !== undefined || !may(process)) continue;
      if (chosen === undefined || process.tenant.processes.size > chosen.tenant.processes.size)
        chosen = process;
    }
    if (chosen) chosen.retiresAt = performance.now() + MAKE_WAY_MS;
  };

  const fits = (tenant: Tenant, bytes: number, keep?: TenantProcess): boolean => {
    for (;;) {
      const answer = processes.fits(tenant, bytes);
      if (answer === 'yes') return true;
      if (!reclaim((one) => one !== keep && (answer === 'over the runner' || one.tenant === tenant)))
        return false;
    }
  };

  /** Room among the tenant's own processes: another kind of work comes before a second process for one kind. */
  const hasOwnRoom = (
    tenant: Tenant,
    { group, isTrial, isAside }: Needs,
    first: TenantProcess | undefined,
  ): boolean => {
    const own = [...tenant.processes];
    const aside = own.filter((one) => one.isAside);
    const of = (one: TenantProcess): boolean => one.tenant === tenant && one !== first;
    if (isAside && aside.length >= options.tenantMax - 1) return reclaim((one) => of(one) && one.isAside);
    if (own.length < options.tenantMax) return true;
    // What was warmed is probed next.
    const isOther = (one: TenantProcess): boolean =>
      one.trialOf === undefined ? one.group !== group : first === undefined || isLeft(one);
    if (reclaim((one) => of(one) && (isOther(one) || isTrial))) return true;
    // What is tried has its place beside, and a first process for some work comes before a second for other.
    const called = own.filter((one) => one.trialOf === undefined);
    const seconds = called.filter((one) =>
      called.some((other) => other !== one && other.group === one.group),
    );
    if (first === undefined) makeWay(seconds, () => true);
    return false;
  };

  /** Whose process may go when the runner is full. */
  const mayGo = (tenant: Tenant, { isTrial }: Needs, first: TenantProcess | undefined) => {
    const isFirst = tenant.processes.size === 0;
    const called = [...tenant.processes].filter(({ trialOf }) => trialOf === undefined);
    // One at a time, so that who tries on and on takes from others no more than it may have.
    const isOnlyTrial = isTrial && called.length === tenant.processes.size;
    return (one: TenantProcess): boolean => {
      if (one === first) return false;
      if (one.tenant === tenant) return !isTrial || one.trialOf !== undefined || called.length > 1;
      return isFirst || one.tenant.processes.size > 1 || (isOnlyTrial && isLeft(one));
    };
  };

  const start = (
    tenant: Tenant,
    needs: Needs,
    first: TenantProcess | undefined,
  ): TenantProcess | undefined => {
    const isFirst = tenant.processes.size === 0;
    if (performance.now() < tenant.startsAt) return undefined;
    if (!isFirst && waitForFirst() > 0) return undefined;
    if (!isFirst && !hasOwnRoom(tenant, needs, first)) return undefined;
    if (!fits(tenant, needs.memoryBytes + processes.processBytes, first)) return undefined;
    let sandbox = spares.take();
    if (!sandbox) {
      if (size() >= options.max && !reclaim(mayGo(tenant, needs, first))) {
        if (isFirst) makeWay(processes.all, (one) => one.tenant.processes.size > 1, waitForFirst());
        return undefined;
      }
      sandbox = deps.createSandbox();
    }
    spares.refillSoon();
    return processes.add(sandbox, tenant, needs);
  };

  function find(needs: Needs): TenantProcess | undefined {
    const tenant = processes.tenant(needs.tenantId);
    const chosen = chooseProcess(tenant, needs);
    let found = chosen;
    if (!chosen) found = start(tenant, needs, undefined);
    else if (hasNoTime(chosen) && chosen.trialOf === undefined && needs.sharedInstance === undefined) {
      if (spares.size > 0 || options.spares === 0) found = start(tenant, needs, chosen) ?? chosen;
    }
    if (!found || !fits(tenant, needs.memoryBytes, found)) return undefined;
    if (!needs.isTrial && found.trialOf !== undefined) adopt(found, needs);
    if (needs.sharedInstance !== undefined) remember(found, needs.sharedInstance);
    processes.begin(found, needs.memoryBytes);
    return found;
  }

  const release = (process: TenantProcess, { memoryBytes }: Needs, how?: 'failed'): void => {
    processes.finish(process, memoryBytes);
    const isOver = process.retiresAt !== undefined || (how === 'failed' && process.trialOf !== undefined);
    if (process.work === 0 && isOver) processes.end(process, 'reclaimed');
    serveSoon();
    if (processes.work === 0) drained?.();
  };

  const sweep = (): void => {
    const now = performance.now();
    for (const { sandbox } of processes.all) sandbox.beat();
    spares.beat();
    for (const process of [...processes.all]) {
      const { work, tenant, usedAt, residentBytes, retiresAt = Infinity } = process;
      const keepMs = tenant.processes.size > 1 ? Math.min(EXTRA_IDLE_MS, options.idleMs) : options.idleMs;
      const isOver = work === 0 && (now - usedAt > keepMs || residentBytes > MAX_IDLE_BYTES);
      if (isOver || now > retiresAt) processes.end(process, 'reclaimed');
    }
    processes.forget();
    spares.refill();
    serveSoon();
  };
  const timers = [setInterval(() => processes.measure(), MEASURE_MS), setInterval(sweep, SWEEP_MS)];
  for (const timer of timers) timer.unref();

  return {
    async place(needs, signal) {
      if (closing) throw new PlatformError('RUNNER_DRAINING', 'the runner is shutting down');
      const atOnce = waiting.has(needs.tenantId) ? undefined : find(needs);
      const later = atOnce ? undefined : waiting.add(needs, signal);
      serveSoon();
      const process = atOnce ?? (await later);
      if (!process) throw new Error('work was neither placed nor queued');
      const { sandbox } = process;
      let isReleased = false;
      const place: Place = {
        sandbox,
        release(how) {
          if (!isReleased) release(process, needs, how);
          isReleased = true;
        },
      };
      if (await sandbox.ready) return place;
      place.release('failed');
      throw new PlatformError('RUNNER_BUSY', 'a sandbox process did not start');
    },
    start: () => spares.refill(),
    async close(graceMs) {
      closing = true;
      spares.close();
      waiting.rejectAll(new PlatformError('RUNNER_DRAINING', 'the runner is shutting down'));
      if (processes.work > 0) {
        const { promise, resolve } = Promise.withResolvers<undefined>();
        drained = () => resolve(undefined);
        const grace = setTimeout(drained, graceMs);
        await promise;
        clearTimeout(grace);
      }
      for (const timer of timers) clearInterval(timer);
      clearImmediate(serving);
      const all = [...[...processes.all].map(({ sandbox }) => sandbox), ...spares.all];
      for (const sandbox of all) sandbox.kill('closing');
      await Promise.all(all.map((sandbox) => sandbox.exited));
    },
    states() {
      const states = { spare: spares.size, trial: 0, idle: 0, busy: 0 };
      for (const { work, trialOf } of processes.all) {
        states[trialOf !== undefined ? 'trial' : work > 0 ? 'busy' : 'idle'] += 1;
      }
      return states;
    },
    get waiting() {
      return waiting.size;
    },
    get chargedBytes() {
      return processes.chargedBytes;
    },
  };
}

/** Nobody has used it for a while. */
const isLeft = ({ usedAt }: TenantProcess): boolean => performance.now() - usedAt >= SPARED_MS;

/** A version that went well on trial is called where it is loaded. */
function adopt(process: TenantProcess, { group, isAside }: Needs): void {
  process.trialOf = undefined;
  process.sandbox.show('tenant');
  process.group = group;
  process.isAside = isAside;
}
