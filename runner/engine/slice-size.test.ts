import { describe, expect, it } from '@jest/globals';
import { SliceSize } from './slice-size.ts';

describe('the size of a slice', () => {
  it('stays what it is for guests that need no more than five milliseconds for it', () => {
    const size = new SliceSize();
    for (const ms of [0, 0.1, 5]) size.ended(100_000, ms);
    expect(size.units).toBe(100_000);
  });

  it('becomes at once what takes five milliseconds, for a guest that is slower, down to a smallest', () => {
    const size = new SliceSize();
    size.ended(100_000, 50);
    expect(size.units).toBe(10_000);
    size.ended(10_000, 1_700);
    expect(size.units).toBe(1_000);
  });

  it('doubles at most, until it is the usual one again', () => {
    const size = new SliceSize();
    size.ended(100_000, 50);
    size.ended(10_000, 0.01);
    expect(size.units).toBe(20_000);
    for (let slice = 0; slice < 10; slice += 1) size.ended(size.units, 0.01);
    expect(size.units).toBe(100_000);
  });

  it('goes by what was given, which may be less', () => {
    const size = new SliceSize();
    size.ended(20_000, 2);
    expect(size.units).toBe(50_000);
  });
});
