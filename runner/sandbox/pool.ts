import { PlatformError } from '../../core/errors.ts';
import type { Logger } from '../../platform/logger.ts';
import type { Sandbox } from './sandbox.ts';

/** How long a broken start holds off the next one, so that a runner that cannot start sandboxes does not spin. */
const RESTART_DELAY_MS = 1_000;

export interface SandboxPoolOptions {
  /** Processes kept ready for tenants that have none. */
  spares: number;
  /** Processes at most, spares included. */
  max: number;
  /** Executions and warm-ups of one tenant at once. */
  tenantConcurrency: number;
}

export interface SandboxPoolDeps {
  createSandbox: () => Sandbox;
  logger: Logger;
}

/** Sandbox processes, each of one tenant for life. */
export interface SandboxPool {
  /**
   * Counts `work` against the tenant's concurrency while it runs. Throws CONCURRENCY_LIMITED, and RUNNER_BUSY once it is closing.
   */
  admit<Result>(tenantId: string, work: () => Promise<Result>): Promise<Result>;
  /** The tenant's sandbox, ready. Throws RUNNER_BUSY when all are at work for others or none can be started. */
  acquire(tenantId: string): Promise<Sandbox>;
  /** Fills the spares. */
  start(): void;
  /** Refuses new work, waits for what runs (at most `graceMs`), then kills every process and waits for its end. */
  close(graceMs: number): Promise<void>;
  readonly size: number;
  /** How many of its processes wait for a tenant, for work, or work. */
  states(): Record<'spare' | 'idle' | 'busy', number>;
}

export function createSandboxPool(options: SandboxPoolOptions, deps: SandboxPoolDeps): SandboxPool {
  const { createSandbox, logger } = deps;
  const bound = new Map<string, Sandbox>(); // in the order of their last use
  const spares = new Set<Sandbox>();
  const admitted = new Map<string, number>();
  let closing = false;
  let drained: (() => void) | undefined;
  let refill: NodeJS.Timeout | undefined;

  const size = (): number => bound.size + spares.size;

  const spawnSpare = (): void => {
    const sandbox = createSandbox();
    spares.add(sandbox);
    void sandbox.exited.then(() => {
      // One that died waiting is replaced; a bound one's place is taken when its tenant calls again.
      if (spares.delete(sandbox)) refillLater();
    });
  };
  const refillNow = (): void => {
    refill = undefined;
    while (!closing && spares.size < options.spares && size() < options.max) spawnSpare();
  };
  const refillLater = (): void => {
    if (closing) return;
    refill ??= setTimeout(refillNow, RESTART_DELAY_MS).unref();
  };

  const reclaim = (): boolean => {
    for (const [tenantId, sandbox] of bound) {
      // A tenant that was admitted may be about to use it.
      if (sandbox.busy > 0 || admitted.has(tenantId)) continue;
      bound.delete(tenantId);
      sandbox.kill('stopped');
      logger.info({ tenantId, pid: sandbox.pid }, 'idle sandbox reclaimed');
      return true;
    }
    return false;
  };

  const takeSpare = (): Sandbox => {
    for (const sandbox of spares) {
      spares.delete(sandbox);
      if (sandbox.alive) return sandbox;
    }
    if (size() >= options.max && !reclaim()) {
      throw new PlatformError('RUNNER_BUSY', `all ${options.max} sandboxes are at work for other tenants`);
    }
    return createSandbox();
  };

  const bind = (tenantId: string): Sandbox => {
    const sandbox = takeSpare();
    void sandbox.exited.then(() => {
      if (bound.get(tenantId) === sandbox) bound.delete(tenantId);
    });
    setImmediate(refillNow); // after the caller's own work: a start costs tens of milliseconds
    return sandbox;
  };

  return {
    async admit(tenantId, work) {
      if (closing) throw new PlatformError('RUNNER_BUSY', 'the runner is shutting down');
      const now = admitted.get(tenantId) ?? 0;
      if (now >= options.tenantConcurrency) {
        throw new PlatformError('CONCURRENCY_LIMITED', `${now} executions of this tenant are running`);
      }
      admitted.set(tenantId, now + 1);
      try {
        return await work();
      } finally {
        const left = (admitted.get(tenantId) ?? 1) - 1;
        if (left > 0) admitted.set(tenantId, left);
        else admitted.delete(tenantId);
        if (admitted.size === 0) drained?.();
      }
    },
    async acquire(tenantId) {
      const known = bound.get(tenantId);
      const sandbox = known?.alive === true ? known : bind(tenantId);
      bound.delete(tenantId);
      bound.set(tenantId, sandbox);
      if (await sandbox.ready) return sandbox;
      throw new PlatformError('RUNNER_BUSY', 'a sandbox process did not start');
    },
    start: refillNow,
    async close(graceMs) {
      closing = true;
      clearTimeout(refill);
      if (admitted.size > 0) {
        const idle = Promise.withResolvers<undefined>();
        drained = () => idle.resolve(undefined);
        const grace = setTimeout(drained, graceMs);
        await idle.promise;
        clearTimeout(grace);
      }
      const all = [...bound.values(), ...spares];
      spares.clear();
      for (const sandbox of all) sandbox.kill('stopped');
      await Promise.all(all.map((sandbox) => sandbox.exited));
    },
    get size() {
      return size();
    },
    states() {
      let busy = 0;
      for (const sandbox of bound.values()) if (sandbox.busy > 0) busy += 1;
      return { spare: spares.size, idle: bound.size - busy, busy };
    },
  };
}
