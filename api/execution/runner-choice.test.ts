import { describe, expect, it } from '@jest/globals';
import { choose, hash32, type Candidate } from './runner-choice.ts';

interface Named extends Candidate {
  name: string;
}

const KEYS = Array.from({ length: 3_000 }, (_, at) => `tenant-${at % 100} sha256:${at}`);

function named(name: string, rank = 1, underWay = 0): Named {
  return { name, seed: hash32(`http://${name}:8090`), rank: () => rank, underWay: () => underWay };
}

function homes(among: readonly Named[]): Map<string, string | undefined> {
  return new Map(KEYS.map((key) => [key, choose(among, key)?.name]));
}

describe('the choice among runners', () => {
  const three = ['a', 'b', 'c'].map((name) => named(name));

  it('is the same whatever the order in which they are known, and gives each its share', () => {
    const chosen = homes(three);
    expect(homes(three.toReversed())).toEqual(chosen);
    for (const { name } of three) {
      const share = [...chosen.values()].filter((home) => home === name).length / KEYS.length;
      expect(Math.abs(share - 1 / 3)).toBeLessThan(0.05);
    }
  });

  it('moves only what was the own of one that goes, and spreads it', () => {
    const before = homes(three);
    const after = homes(three.slice(1));
    const moved = KEYS.filter((key) => before.get(key) !== after.get(key));
    expect(moved).toEqual(KEYS.filter((key) => before.get(key) === 'a'));
    expect(new Set(moved.map((key) => after.get(key)))).toEqual(new Set(['b', 'c']));
  });

  it('takes one of a lower rank only where there is no other', () => {
    const ranked = [named('a', 0), named('b', 1), named('c', 2)];
    expect(new Set(homes(ranked).values())).toEqual(new Set(['c']));
    const [a, b, c] = ranked as [Named, Named, Named];
    expect(choose(ranked, 'key', new Set([c]))).toBe(b);
    expect(choose(ranked, 'key', new Set([b, c]))).toBe(a);
    expect(choose(ranked, 'key', new Set(ranked))).toBeUndefined();
  });

  it('falls on the one with the least under way once the first is spent', () => {
    const [first, busy, idle] = [named('a', 1, 0), named('b', 1, 9), named('c', 1, 2)];
    for (const key of KEYS) expect(choose([first, busy, idle], key, new Set([first]))).toBe(idle);
  });

  it('is the only one there is, however it is', () => {
    const away = named('a', 0);
    expect(choose([away], '')).toBe(away);
    expect(choose([away], '', new Set([away]))).toBeUndefined();
    expect(choose<Named>([], '')).toBeUndefined();
  });
});
