import { createLogger } from '../../platform/logger.ts';
import {
  createSandboxPool,
  type Place,
  type SandboxPool,
  type SandboxPoolOptions,
} from '../../runner/sandbox/pool.ts';
import type { Needs } from '../../runner/sandbox/tenant-processes.ts';
import type { SandboxRole } from '../../runner/sandbox/child.ts';
import type { Sandbox } from '../../runner/sandbox/sandbox.ts';
import type { LossReason } from '../../runner/sandbox/sandbox-lost.ts';

const logger = createLogger({ level: 'silent', process: 'runner' });

/** A sandbox without a process. */
class FakeSandbox implements Sandbox {
  static count = 0;
  readonly pid = ++FakeSandbox.count;
  readonly ready: Promise<boolean>;
  readonly #exited = Promise.withResolvers<LossReason>();
  readonly exited = this.#exited.promise;
  alive = true;
  busy = 0;

  constructor(starts = true) {
    this.ready = Promise.resolve(starts);
  }
  load = ({ contentHash }: { contentHash: string }) => {
    this.loaded.add(contentHash);
    return Promise.resolve();
  };
  run = () => Promise.reject(new Error('not in these tests'));
  readonly loaded = new Set<string>();
  has = (contentHash: string) => this.loaded.has(contentHash);
  measure = () => Promise.resolve();
  role: SandboxRole = 'spare';
  show = (role: SandboxRole): void => void (this.role = role);
  beats = 0;
  beat = (): void => void (this.beats += 1);
  residentBytes = 0;
  saturated = false;
  kill(reason: LossReason): void {
    this.alive = false;
    this.#exited.resolve(reason);
  }
}

export const MIB = 1024 * 1024;
const pools: { close(graceMs: number): Promise<void> }[] = [];

/** Of all that were set up. */
export async function closePools(): Promise<void> {
  await Promise.all(pools.splice(0).map((pool) => pool.close(0)));
}

export interface FakePool {
  pool: SandboxPool;
  made: FakeSandbox[];
  /** Takes a place and loads what is to run in it. */
  place: (tenantId: string, needs?: Partial<Needs>, signal?: AbortSignal) => Promise<Place>;
  /** Why processes ended. */
  ends: LossReason[];
}

/** A pool of sandboxes without processes, and how to take a place in it. */
export function setupPool(options: Partial<SandboxPoolOptions> = {}, starts = true): FakePool {
  const made: FakeSandbox[] = [];
  const createSandbox = () => {
    const sandbox = new FakeSandbox(starts);
    made.push(sandbox);
    return sandbox;
  };
  const ends: LossReason[] = [];
  const pool = createSandboxPool(
    {
      ...{ spares: 0, max: 4, tenantMax: 2, maxWaiting: 8, idleMs: 60_000 },
      ...{ memoryBytes: 8192 * MIB, tenantMemoryBytes: 4096 * MIB },
      ...options,
    },
    { createSandbox, countEnd: (reason) => ends.push(reason), logger },
  );
  pools.push(pool);
  const place = async (
    tenantId: string,
    needs: Partial<Needs> = {},
    signal = new AbortController().signal,
  ) => {
    const taken = await pool.place(
      {
        ...{ tenantId, contentHash: 'one', memoryBytes: 64 * MIB, group: '', isTrial: false, isAside: false },
        ...needs,
      },
      signal,
    );
    await taken.sandbox.load({ contentHash: needs.contentHash ?? 'one' } as never);
    return taken;
  };
  return { pool, made, place, ends };
}

export const TRIAL = { isTrial: true, isAside: true };
/** Takes a place and gives it back; answers where. */
export async function use(place: Promise<Place>): Promise<Sandbox> {
  const taken = await place;
  taken.release();
  return taken.sandbox;
}

/** Whether it does so soon. */
export const settled = async (promise: Promise<unknown>): Promise<boolean> => {
  const turn = new Promise((resolve) => setTimeout(resolve, 5)).then(() => 'waits');
  return (await Promise.race([promise, turn])) !== 'waits';
};
