import { setTimeout as delay } from 'node:timers/promises';

export interface HealthTimes {
  /** Between an answer, or its absence, and the next question. */
  everyMs: number;
  /** How long an answer may take. */
  withinMs: number;
  /** Given up after this long without an answer … */
  silentMs: number;
  /** … and this many questions, so that a pause of our own or of the machine counts as one. */
  misses: number;
}

/** Long, because a process that is merely busy must not be killed for it; operator-guide.md names these times. */
export const HEALTH: HealthTimes = { everyMs: 5_000, withinMs: 15_000, silentMs: 75_000, misses: 4 };

/** Resolves when a process has not answered for too long: true; or when `signal` is aborted: false. */
export async function untilSilent(
  answers: () => Promise<boolean>,
  { everyMs, withinMs, silentMs, misses }: HealthTimes,
  signal: AbortSignal,
): Promise<boolean> {
  const pause = (ms: number): Promise<false> => delay(ms, false as const, { signal }).catch(() => false); // woken
  let heardAt = performance.now();
  let missed = 0;
  for (;;) {
    await pause(everyMs);
    if (signal.aborted) return false;
    const heard = await Promise.race([answers().catch(() => false), pause(withinMs)]);
    if (heard) {
      heardAt = performance.now();
      missed = 0;
    } else {
      missed += 1;
    }
    if (missed >= misses && performance.now() - heardAt >= silentMs) return !signal.aborted;
  }
}
