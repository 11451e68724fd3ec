const HELD_MS = 250;
const HELD_AT_ONCE = 1_000;

/** Resolves when a refusal is to be said: later than need be, so that a client that waits for it asks less often. At once for one that is gone. */
export type HoldRefusal = (gone: AbortSignal) => Promise<void>;

/** Of too many at once the rest is not held: what is held takes memory. */
export function createHeldRefusals(): HoldRefusal {
  let held = 0;
  return async (gone) => {
    if (held >= HELD_AT_ONCE || gone.aborted) return;
    held += 1;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => resolve(undefined), HELD_MS);
    gone.addEventListener('abort', () => resolve(undefined), { once: true });
    await promise;
    clearTimeout(timer);
    held -= 1;
  };
}
