import { describe, expect, it } from '@jest/globals';
import { createRateLimit } from './rate-limit.ts';

describe('createRateLimit', () => {
  let now = 0;
  const limit = () => createRateLimit({ burst: 3, perSecond: 2 }, () => now);
  const limited = expect.objectContaining({ code: 'RATE_LIMITED' }) as unknown as Error;

  it('takes a burst, then so many a second, and a burst again after a rest', () => {
    const rate = limit();
    for (let n = 0; n < 3; n += 1) rate.count('a');
    expect(() => rate.count('a')).toThrow(limited);
    now += 500;
    rate.count('a');
    expect(() => rate.count('a')).toThrow(limited);
    now += 60_000;
    for (let n = 0; n < 3; n += 1) rate.count('a');
    expect(() => rate.count('a')).toThrow(limited);
  });

  it('takes from each key what it takes from one alone', () => {
    const rate = limit();
    for (let n = 0; n < 3; n += 1) rate.count('a');
    expect(() => rate.count('a')).toThrow(limited);
    rate.count('b');
  });

  it('forgets keys that rest', () => {
    const rate = limit();
    for (let n = 0; n < 10_000; n += 1) {
      rate.count(`key ${n}`);
      now += 1_000;
    }
    expect(rate.size).toBeLessThanOrEqual(1_000);
  });
});
