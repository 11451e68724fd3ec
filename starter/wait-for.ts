import { setTimeout as delay } from 'node:timers/promises';

const STEP_MS = 25;

/** Asks until the answer is true; false if that did not come within `ms`. */
export async function waitFor(
  condition: () => boolean | Promise<boolean>,
  ms: number,
  stepMs = STEP_MS,
): Promise<boolean> {
  const deadline = performance.now() + ms;
  for (;;) {
    if (await condition()) return true;
    if (performance.now() >= deadline) return false;
    await delay(stepMs);
  }
}
