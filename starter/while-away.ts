import { setTimeout as delay } from 'node:timers/promises';

export interface AwayTimes {
  everyMs: number;
  /** Since it was away first. */
  withinMs: number;
}

const USUAL: AwayTimes = { everyMs: 500, withinMs: 60_000 };

/** Does what may be done twice, again and again while what it needs is away: the supervisor is starting that again. */
export async function whileAway<T>(
  work: () => Promise<T>,
  isAway: (cause: unknown) => boolean,
  { everyMs, withinMs }: AwayTimes = USUAL,
): Promise<T> {
  let awaySince: number | undefined;
  for (;;) {
    try {
      return await work();
    } catch (cause) {
      awaySince ??= performance.now();
      if (!isAway(cause) || performance.now() - awaySince > withinMs) throw cause;
    }
    await delay(everyMs);
  }
}
