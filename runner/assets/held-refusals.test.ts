import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createHeldRefusals } from './held-refusals.ts';

const AT_ONCE = 1_000;
const { signal: here } = new AbortController();

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** Whether it is said by now. */
async function isSaid(refusal: Promise<void>): Promise<boolean> {
  const isOpen = Symbol('open');
  return (await Promise.race([refusal, Promise.resolve(isOpen)])) !== isOpen;
}

describe('a refusal', () => {
  it('is said a quarter of a second later', async () => {
    const refusal = createHeldRefusals()(here);
    jest.advanceTimersByTime(249);
    expect(await isSaid(refusal)).toBe(false);
    jest.advanceTimersByTime(1);
    await refusal;
  });

  it('is said at once when a thousand are held, and leaves room when its client goes', async () => {
    const hold = createHeldRefusals();
    const client = new AbortController();
    const first = hold(client.signal);
    for (let count = 1; count < AT_ONCE; count += 1) void hold(here);
    await hold(here);
    client.abort();
    await first;
    expect(jest.getTimerCount()).toBe(AT_ONCE - 1);
    expect(await isSaid(hold(here))).toBe(false);
  });
});
