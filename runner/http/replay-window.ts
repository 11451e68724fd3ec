/** At 12,000 requests a second, the last eleven seconds: what is sent later than START_WITHIN_MS is not begun. */
const WINDOW = 2 ** 17;

/** Takes each sequence number once, in any order within a window behind the highest (RFC 4303 §3.4.3). What lies before it is refused. */
export function createReplayWindow(size = WINDOW): (sequence: number) => boolean {
  const words = new Uint32Array(Math.ceil(size / 32));
  let top = 0;

  const bitOf = (sequence: number): [word: number, mask: number] => {
    const at = sequence % size;
    return [at >>> 5, 1 << (at & 31)];
  };

  return (sequence) => {
    if (sequence <= top - size || sequence < 1) return false;
    const [word, mask] = bitOf(sequence);
    if (sequence > top) {
      if (sequence - top >= size) words.fill(0);
      else for (let passed = top + 1; passed <= sequence; passed++) clear(words, bitOf(passed));
      top = sequence;
    }
    const known = words[word] ?? 0;
    if ((known & mask) !== 0) return false;
    words[word] = known | mask;
    return true;
  };
}

function clear(words: Uint32Array, [word, mask]: [number, number]): void {
  words[word] = (words[word] ?? 0) & ~mask;
}
