/** Chosen by measurement (docs/decisions/0020): guests of language runtimes compute for some tenths of a millisecond with it, and short calls need less. */
const USUAL = 100_000;
/** A slice that takes longer holds up whoever waits for a turn. */
const LONG_MS = 5;
/** A turn costs some microseconds: less would be spent on turns alone. */
const SMALLEST = 1_000;

/**
 * How much fuel the guests of one component are given at once. What a unit takes differs by a thousand times between guests (one that
 * waits for its memory at each instruction, one that does not): where the usual slice took long, the next ones are smaller. It changes
 * when a guest gives others their turn, never what it uses in all.
 */
export class SliceSize {
  #units = USUAL;

  get units(): number {
    return this.#units;
  }

  /** A slice of so many units was used up, and took so long. */
  ended(units: number, ms: number): void {
    const fitting = ms > 0 ? (units * LONG_MS) / ms : USUAL;
    const largest = Math.min(USUAL, 2 * this.#units); // one quick slice says little of the next
    this.#units = Math.round(Math.min(largest, Math.max(SMALLEST, fitting)));
  }
}
