import type { Sandbox } from './sandbox.ts';

/** How long a broken start holds off the next one, so that a runner that cannot start sandboxes does not spin. */
const RESTART_DELAY_MS = 1_000;
/** To start a process blocks ours for 15 ms and takes a core for 100, which whoever took the last one needs for its first call. */
const REFILL_DELAY_MS = 250;

/** Processes that were started ahead, of no tenant yet. */
export interface Spares {
  readonly size: number;
  readonly all: Iterable<Sandbox>;
  /** One that can work, if there is any. */
  take(): Sandbox | undefined;
  /** As many as there should be. */
  refill(): void;
  /** The same after the work that one was taken for has begun. */
  refillSoon(): void;
  beat(): void;
  /** No more are started; those there are stay. */
  close(): void;
}

export function createSpares(createSandbox: () => Sandbox, wanted: () => number): Spares {
  const spares = new Set<Sandbox>();
  let later: NodeJS.Timeout | undefined;
  let soon: NodeJS.Timeout | undefined;
  let isClosed = false;

  const refill = (): void => {
    while (!isClosed && spares.size < wanted()) {
      const sandbox = createSandbox();
      spares.add(sandbox);
      void sandbox.exited.then(() => {
        if (!spares.delete(sandbox) || isClosed) return;
        later ??= setTimeout(() => {
          later = undefined;
          refill();
        }, RESTART_DELAY_MS).unref();
      });
    }
  };

  return {
    get size() {
      return spares.size;
    },
    all: spares,
    take() {
      for (const sandbox of spares) {
        spares.delete(sandbox);
        if (sandbox.alive) return sandbox;
      }
      return undefined;
    },
    refill,
    refillSoon() {
      soon ??= setTimeout(() => {
        soon = undefined;
        refill();
      }, REFILL_DELAY_MS).unref();
    },
    beat() {
      for (const sandbox of spares) sandbox.beat();
    },
    close() {
      isClosed = true;
      clearTimeout(later);
      clearTimeout(soon);
    },
  };
}
