/** What a slice should take of the processor: one who waits for a turn waits as long for each guest that computes. */
const TARGET_MS = 0.25;
/** Before anything is known. */
const FIRST = 100_000;
/** A turn costs some microseconds: less would be spent on turns alone. */
const SMALLEST = 1_000;
const LARGEST = 400_000;

/**
 * How much fuel the guests of one component are given at once. What a unit takes differs by a thousand times between guests (one that
 * waits for its memory at each instruction, one that does not), so a slice is as large as took TARGET_MS of late. It changes when a guest
 * gives others their turn, never what it uses in all.
 */
export class SliceSize {
  #units = FIRST;

  get units(): number {
    return this.#units;
  }

  /** A slice of so many units was used up, and took so long. */
  ended(units: number, ms: number): void {
    const fitting = (units * TARGET_MS) / Math.max(ms, TARGET_MS / 1_000);
    const largest = Math.min(LARGEST, 2 * this.#units); // one quick slice says little of the next
    this.#units = Math.round(Math.min(largest, Math.max(SMALLEST, fitting)));
  }
}
