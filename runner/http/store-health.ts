/** While it is asked, the store is tried this often; what it said holds for some rounds, so that one who asks seldom hears of now. */
const PROBE_EVERY_MS = 5_000;
const HOLDS_MS = 60_000;
/** Everything that is cached runs without the store: away for this long, new work is better sent elsewhere. */
const GRACE_MS = 30_000;

export interface StoreHealthDeps {
  /** Rejects when the store does not answer. */
  probe: () => Promise<unknown>;
  /** Milliseconds of a clock that does not jump. */
  now: () => number;
}

/** Whether the object store has been away for longer than a grace. Answers at once, with what was found when it was asked before. */
export function createStoreHealth({ probe, now }: StoreHealthDeps): { isAway: () => boolean } {
  let probedAt = -Infinity;
  let awaySince: number | undefined;
  let failedAt = -Infinity;
  let probing = false;

  const ask = async (): Promise<void> => {
    probing = true;
    probedAt = now();
    try {
      await probe();
      awaySince = undefined;
    } catch {
      awaySince ??= probedAt; // the runner's own reads log why
      failedAt = now();
    }
    probing = false;
  };

  return {
    isAway() {
      if (!probing && now() - probedAt >= PROBE_EVERY_MS) void ask();
      if (awaySince === undefined) return false;
      return now() - awaySince >= GRACE_MS && now() - failedAt < HOLDS_MS;
    },
  };
}
