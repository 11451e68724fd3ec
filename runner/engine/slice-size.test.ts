import { describe, expect, it } from '@jest/globals';
import { SliceSize } from './slice-size.ts';

describe('the size of a slice', () => {
  it('becomes at once what takes a quarter of a millisecond, for a guest that is slower', () => {
    const size = new SliceSize();
    size.ended(100_000, 10);
    expect(size.units).toBe(2_500);
    size.ended(2_500, 1_700);
    expect(size.units).toBe(1_000);
  });

  it('doubles at most, for a guest that is faster', () => {
    const size = new SliceSize();
    size.ended(100_000, 0.0001);
    expect(size.units).toBe(200_000);
    size.ended(200_000, 0.2);
    expect(size.units).toBe(250_000);
    for (let slice = 0; slice < 10; slice += 1) size.ended(size.units, 0.01);
    expect(size.units).toBe(400_000);
  });

  it('goes by what was given, which may be less', () => {
    const size = new SliceSize();
    size.ended(50_000, 0.1);
    expect(size.units).toBe(125_000);
  });
});
