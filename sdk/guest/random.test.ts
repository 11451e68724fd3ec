import { randomBytes, webcrypto } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { createRandomness } from './random.ts';

const HALF = 2 ** -1;

function seeded(seed: number) {
  const asked: number[] = [];
  const randomness = createRandomness((length) => {
    asked.push(length);
    return new Uint8Array(length).fill(seed);
  });
  return { ...randomness, asked };
}

describe('Math.random of an execution', () => {
  it('asks the host once, when it is first called', () => {
    const { random, asked } = seeded(1);
    expect(asked).toEqual([]);
    for (let draw = 0; draw < 1_000; draw += 1) random();
    expect(asked).toEqual([16]);
  });

  it('gives the same numbers for the same seed, and others for another', () => {
    const draw = (seed: number): number[] => Array.from({ length: 50 }, seeded(seed).random);
    expect(draw(1)).toEqual(draw(1));
    expect(new Set([...draw(0), ...draw(1), ...draw(255)]).size).toBe(150);
  });

  it('uses all 53 bits, each as often set as not', () => {
    const { random } = createRandomness((length) => randomBytes(length));
    const ones = Array.from({ length: 53 }, () => 0);
    const draws = 20_000;
    for (let draw = 0; draw < draws; draw += 1) {
      let rest = random();
      expect(rest >= 0 && rest < 1).toBe(true);
      for (let bit = 0; bit < 53; bit += 1) {
        if (rest >= HALF) ones[bit] = (ones[bit] ?? 0) + 1;
        rest = (rest * 2) % 1;
      }
      expect(rest).toBe(0);
    }
    // Seven standard deviations.
    for (const count of ones) expect(Math.abs(count - draws / 2)).toBeLessThan(500);
  });
});

describe('crypto of an execution', () => {
  const { crypto } = createRandomness((length) => new Uint8Array(length).map((_zero, at) => at + 1));

  it('fills arrays of integers of every width, and the part that a view shows alone', () => {
    expect([...crypto.getRandomValues(new Uint8Array(3))]).toEqual([1, 2, 3]);
    expect([...crypto.getRandomValues(new BigUint64Array(1))]).toEqual([0x0807060504030201n]);
    const whole = new Uint16Array(4);
    const part = whole.subarray(1, 3);
    expect(crypto.getRandomValues(part)).toBe(part);
    expect([...whole]).toEqual([0, 0x0201, 0x0403, 0]);
    expect(crypto.getRandomValues(new Int32Array(0))).toHaveLength(0);
  });

  it.each([
    ['floats', new Float64Array(1)],
    ['a DataView', new DataView(new ArrayBuffer(8))],
    ['what is no array', [1, 2]],
    ['nothing', undefined],
    ['more than 64 KiB', new Uint8Array(65_537)],
  ])('refuses %s as the standard says', (_what, value) => {
    const refusal = (of: { getRandomValues: (array: never) => unknown }): string => {
      try {
        of.getRandomValues(value as never);
        return 'none';
      } catch (err) {
        return (err as Error).name;
      }
    };
    const expected = refusal(webcrypto);
    expect(refusal(crypto)).toBe(expected === 'TypeError' ? 'TypeMismatchError' : expected);
  });

  it('makes UUIDs of version 4', () => {
    expect(crypto.randomUUID()).toBe('01020304-0506-4708-890a-0b0c0d0e0f10');
  });
});
