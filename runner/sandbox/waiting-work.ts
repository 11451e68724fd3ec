import { PlatformError } from '../../core/errors.ts';
import type { Needs, TenantProcess } from './tenant-processes.ts';

interface Waiter {
  needs: Needs;
  resolve: (process: TenantProcess) => void;
  reject: (err: unknown) => void;
}

/** Work that waits for a place in a process, at most so much; tenants take turns, those with the fewest processes first. */
export class WaitingWork {
  readonly #max: number;
  /** In the order of their turns. */
  readonly #tenants = new Map<string, Set<Waiter>>();
  #size = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#size;
  }

  has(tenantId: string): boolean {
    return this.#tenants.has(tenantId);
  }

  tenantIds(): Iterable<string> {
    return this.#tenants.keys();
  }

  /** Throws RUNNER_BUSY; what its signal throws if that aborts before there is a place. */
  async add(needs: Needs, signal: AbortSignal): Promise<TenantProcess> {
    signal.throwIfAborted();
    if (this.#size >= this.#max)
      throw new PlatformError('RUNNER_BUSY', 'too much waits for a sandbox already');
    const { promise, resolve, reject } = Promise.withResolvers<TenantProcess>();
    const waiter: Waiter = { needs, resolve, reject };
    const waiters = this.#tenants.get(needs.tenantId) ?? new Set();
    this.#tenants.set(needs.tenantId, waiters.add(waiter));
    this.#size += 1;
    const giveUp = (): void => {
      if (this.#remove(waiter)) reject(signal.reason);
    };
    signal.addEventListener('abort', giveUp);
    return promise.finally(() => signal.removeEventListener('abort', giveUp));
  }

  /** Gives places for as long as `find` has any, to each tenant one at a time. */
  serve(find: (needs: Needs) => TenantProcess | undefined, processesOf: (tenantId: string) => number): void {
    const stuck = new Set<string>();
    let served = this.#size > 0;
    while (served) {
      served = false;
      const ids = [...this.#tenants.keys()].sort((a, b) => processesOf(a) - processesOf(b));
      for (const id of ids) if (this.#serveOne(id, find, stuck)) served = true;
    }
  }

  rejectAll(err: Error): void {
    for (const waiters of this.#tenants.values()) for (const { reject } of waiters) reject(err);
    this.#tenants.clear();
    this.#size = 0;
  }

  #serveOne(
    tenantId: string,
    find: (needs: Needs) => TenantProcess | undefined,
    stuck: Set<string>,
  ): boolean {
    for (const waiter of this.#tenants.get(tenantId) ?? []) {
      const { group, contentHash, memoryBytes, isTrial } = waiter.needs;
      const kind = JSON.stringify([tenantId, group, isTrial && contentHash, memoryBytes]);
      if (stuck.has(kind)) continue; // what waited before it for the same goes first
      const process = find(waiter.needs);
      if (!process) {
        stuck.add(kind);
        continue;
      }
      this.#remove(waiter);
      const others = this.#tenants.get(tenantId);
      if (others && this.#tenants.delete(tenantId)) this.#tenants.set(tenantId, others);
      waiter.resolve(process);
      return true;
    }
    return false;
  }

  #remove(waiter: Waiter): boolean {
    const { tenantId } = waiter.needs;
    const waiters = this.#tenants.get(tenantId);
    if (waiters?.delete(waiter) !== true) return false;
    if (waiters.size === 0) this.#tenants.delete(tenantId);
    this.#size -= 1;
    return true;
  }
}
