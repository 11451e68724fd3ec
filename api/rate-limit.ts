import { PlatformError } from '../core/errors.ts';

export interface RateLimit {
  /** Counts one request of the key. Throws RATE_LIMITED for one too many; a second later one more is taken, if not before. */
  count(key: string): void;
  /** Keys whose allowance is not whole, and at most as many again. */
  readonly size: number;
}

/** So many keys are kept before those that are idle are looked for. */
const KEPT = 1_000;

/** So many requests of each key at once, and then so many a second (the generic cell rate algorithm, ITU-T I.371). */
export function createRateLimit(
  { burst, perSecond }: { burst: number; perSecond: number },
  now: () => number = () => performance.now(),
): RateLimit {
  const intervalMs = 1_000 / perSecond;
  /** When the allowance of a key will be whole again. */
  const wholeAt = new Map<string, number>();
  let lookAt = KEPT;

  function forgetIdle(): void {
    for (const [key, at] of wholeAt) if (at <= now()) wholeAt.delete(key);
    lookAt = Math.max(KEPT, wholeAt.size * 2);
  }

  return {
    count(key) {
      if (wholeAt.size >= lookAt) forgetIdle();
      const at = Math.max(wholeAt.get(key) ?? 0, now());
      if (at - now() > (burst - 1) * intervalMs) {
        throw new PlatformError(
          'RATE_LIMITED',
          `more than ${burst} requests at once and then ${perSecond} a second; try again`,
        );
      }
      wholeAt.set(key, at + intervalMs);
    },
    get size() {
      return wholeAt.size;
    },
  };
}
