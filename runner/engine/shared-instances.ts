import type { Instance } from './component.ts';

const MIB = 1024 * 1024;
// Why these: docs/decisions/0022-shared-instances.md.
const MAX_CALLS = 1_000;
const MAX_AGE_MS = 5 * 60_000;
const MAX_GROWTH_BYTES = 32 * MIB;
/** Of the room it has to grow: a call that needs no more than in a fresh instance finds it, also in one of two memories. */
const MAX_GROWTH_SHARE = 1 / 4;
/** All of a sandbox: the one that served longest ago goes first. */
const MAX_INSTANCES = 32;
const MAX_BYTES = 256 * MIB;

/** What becomes of an instance from its first call on. */
export interface Life {
  name: string;
  instance: Instance;
  endsAt: number;
  maxBytes: number;
  calls: number;
}

/** `limitBytes` is what its calls may have of memory. */
export function beginLife(name: string, instance: Instance, limitBytes: number): Life {
  const bytes = instance.memoryBytes;
  const growth = Math.min(MAX_GROWTH_BYTES, (limitBytes - bytes) * MAX_GROWTH_SHARE);
  const maxBytes = Math.min(bytes + growth, MAX_BYTES); // beyond, it alone would be worth all others
  return { name, instance, endsAt: performance.now() + MAX_AGE_MS, maxBytes, calls: 0 };
}

/** Instances that keep what a call left, for the next one of the same name. */
export interface SharedInstances {
  /** It is the caller's: a second call at the same time finds none. */
  take(name: string): Life | undefined;
  /** After a call; one that has served enough is thrown away. */
  keep(life: Life): void;
  /** Throws away those whose names begin so. */
  endAll(prefix: string): void;
}

export function createSharedInstances(): SharedInstances {
  // In the order of their last call.
  const idle = new Map<string, { life: Life; bytes: number; timer: NodeJS.Timeout }>();

  function take(name: string): Life | undefined {
    const known = idle.get(name);
    clearTimeout(known?.timer);
    idle.delete(name);
    return known?.life;
  }
  const end = (name: string): void => take(name)?.instance.abandon();
  const bytesInAll = (): number => [...idle.values()].reduce((sum, { bytes }) => sum + bytes, 0);

  return {
    take,

    endAll(prefix) {
      for (const name of idle.keys()) if (name.startsWith(prefix)) end(name);
    },

    keep(life) {
      const { name, instance, endsAt, maxBytes } = life;
      const bytes = instance.memoryBytes;
      const ageLeft = endsAt - performance.now();
      life.calls += 1;
      if (life.calls >= MAX_CALLS || ageLeft <= 0 || bytes > maxBytes) {
        instance.abandon();
        return;
      }
      end(name); // that of a call at the same time
      idle.set(name, { life, bytes, timer: setTimeout(end, ageLeft, name).unref() });
      while (idle.size > MAX_INSTANCES || bytesInAll() > MAX_BYTES) {
        const [oldest = name] = idle.keys();
        end(oldest);
      }
    },
  };
}
