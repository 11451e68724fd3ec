/** What is chosen among. */
export interface Candidate {
  /** Of its address: the same in every gateway. */
  seed: number;
  /** Higher goes first, whatever the hash says. */
  rank: () => number;
  /** Calls that it has of this gateway. */
  underWay: () => number;
}

/** 32 bits of a text (FNV-1a). It spreads load and is no defence: who finds texts of one value gathers his own calls in one place. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

/**
 * Rendezvous hashing: of those of the highest rank, the one whose seed and the key give most. Gateways that know the same candidates choose
 * the same one, and one that goes takes along nothing but what was its own. Once some are spent, the hash has been heeded, and the one with
 * the least under way comes next.
 */
export function choose<One extends Candidate>(
  among: readonly One[],
  key: string,
  spent?: ReadonlySet<One>,
): One | undefined {
  if (spent === undefined && among.length === 1) return among[0];
  const hashed = hash32(key);
  let chosen: One | undefined;
  let best = { rank: -Infinity, underWay: Infinity, score: -1 };
  for (const one of among) {
    if (spent?.has(one) === true) continue;
    const has = {
      rank: one.rank(),
      underWay: spent === undefined ? 0 : one.underWay(),
      score: mixed(hashed ^ one.seed),
    };
    if (chosen !== undefined && !isBetter(has, best)) continue;
    chosen = one;
    best = has;
  }
  return chosen;
}

type Standing = { rank: number; underWay: number; score: number };

function isBetter(one: Standing, other: Standing): boolean {
  if (one.rank !== other.rank) return one.rank > other.rank;
  if (one.underWay !== other.underWay) return one.underWay < other.underWay;
  return one.score > other.score;
}

/** Every bit of the outcome depends on every bit of the number (the finalizer of MurmurHash3). */
function mixed(bits: number): number {
  let hash = bits;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
