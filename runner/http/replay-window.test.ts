import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { createReplayWindow } from './replay-window.ts';
import { fc } from '../../test/support/properties.ts';

/** What a window of that size is to say, by all that it ever took. */
function createPlainWindow(size: number): (sequence: number) => boolean {
  const taken = new Set<number>();
  let top = 0;
  return (sequence) => {
    if (sequence < 1 || sequence <= top - size || taken.has(sequence)) return false;
    taken.add(sequence);
    top = Math.max(top, sequence);
    return true;
  };
}

describe('a replay window', () => {
  it('takes numbers in their order, each once', () => {
    const take = createReplayWindow(64);
    for (let sequence = 1; sequence <= 1000; sequence++) {
      expect(take(sequence)).toBe(true);
      expect(take(sequence)).toBe(false);
    }
  });

  it('takes numbers out of their order, each once', () => {
    const take = createReplayWindow(64);
    const order = [40, 3, 39, 41, 1, 64, 2];
    expect(order.map(take)).toEqual(order.map(() => true));
    expect(order.map(take)).toEqual(order.map(() => false));
  });

  it('refuses what lies before it, taken or not, and what is no number of a gateway', () => {
    const take = createReplayWindow(64);
    expect(take(100)).toBe(true);
    expect([36, 35, 0, -1].map(take)).toEqual([false, false, false, false]);
    expect([37, 37].map(take)).toEqual([true, false]);
  });

  it('is by its own size as wide as eleven seconds of 12,000 requests', () => {
    const take = createReplayWindow();
    const top = 2 ** 17 + 1;
    expect(take(top)).toBe(true);
    expect([2, 1].map(take)).toEqual([true, false]);
  });

  it('says what a set of everything ever taken would say', () => {
    const steps = fc.array(fc.oneof(fc.integer({ min: -80, max: 5 }), fc.integer({ min: 0, max: 200 })), {
      maxLength: 300,
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 130 }), steps, (size, jumps) => {
        const take = createReplayWindow(size);
        const plain = createPlainWindow(size);
        let near = 1;
        for (const jump of jumps) {
          const sequence = near + jump;
          const first = plain(sequence);
          expect(take(sequence)).toBe(first);
          if (first) near = Math.max(near, sequence);
        }
      }),
    );
  });

  it('holds no more after a million numbers than before', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const held = (): number => {
      collect();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      return heapUsed + arrayBuffers;
    };
    const take = createReplayWindow();
    for (let sequence = 1; sequence <= 1000; sequence++) take(sequence);
    const before = held();
    for (let sequence = 1001; sequence <= 1_000_000; sequence++) take(sequence);
    expect(held() - before).toBeLessThan(1_000_000); // a byte for each would be that
    expect(take(1_000_000)).toBe(false);
  });
});
