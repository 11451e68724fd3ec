import { MAP, MARKED_PAGE_BYTES, MARKED_PAGE_SHIFT, STORE_TAIL } from '../../core/wasm/reserved.ts';

const WASM_PAGE_BYTES = 64 * 1024;
/** What a guest may grow by without its instance being thrown away: what it holds would stay with the process. */
const KEPT_GROWTH_PAGES = 256;

/** How a memory begins; the same in all instances of a component. */
export interface Beginning {
  bytes: Uint8Array;
  /** There from the beginning, empty, for the guest to grow into; so their being there tells nothing of an earlier call. */
  slackPages: number;
}

/** `rewindable` says whether it is kept after its call. */
export function beginningOf(memory: WebAssembly.Memory, rewindable: boolean): Beginning {
  const bytes = new Uint8Array(memory.buffer.slice(0));
  return { bytes, slackPages: rewindable ? reserve(memory) : 0 };
}

/** As much as its maximum allows, which JavaScript cannot read. */
function reserve(memory: WebAssembly.Memory): number {
  let reserved = 0;
  for (let pages = KEPT_GROWTH_PAGES; pages >= 1 && reserved < KEPT_GROWTH_PAGES; pages /= 2) {
    try {
      memory.grow(pages);
      reserved += pages;
    } catch (err) {
      if (!(err instanceof RangeError)) throw err;
    }
  }
  return reserved;
}

/**
 * A memory that can be set back to what it held when the instance was made. Its map says which pages have been written since, by the
 * guest's rewritten stores and by `written`.
 */
export class KeptMemory {
  readonly #memory: WebAssembly.Memory;
  readonly #pristine: Uint8Array;
  readonly #slackPages: number;
  readonly #marks: Uint8Array;
  /** The same, four at a time. */
  readonly #words: Int32Array;
  /** Those of the slack, as what searches fast: most calls never come there. */
  readonly #slackMarks: Buffer;
  readonly #header: Uint32Array;

  /** The slack is there already. */
  constructor(memory: WebAssembly.Memory, map: WebAssembly.Memory, { bytes, slackPages }: Beginning) {
    this.#memory = memory;
    this.#pristine = bytes;
    this.#slackPages = slackPages;
    this.#header = new Uint32Array(map.buffer, 0, MAP.pages / 4);
    this.#marks = new Uint8Array(map.buffer, MAP.pages);
    this.#words = new Int32Array(map.buffer, MAP.pages);
    this.#slackMarks = Buffer.from(
      map.buffer,
      MAP.pages + (bytes.length >>> MARKED_PAGE_SHIFT),
      (slackPages * WASM_PAGE_BYTES) >>> MARKED_PAGE_SHIFT,
    );
    this.#words.fill(0);
    this.#header[MAP.slack / 4] = slackPages;
  }

  /** What the guest has of it, without what it may be given back later. */
  get bytes(): number {
    return this.#memory.buffer.byteLength - (this.#header[MAP.slack / 4] ?? 0) * WASM_PAGE_BYTES;
  }

  /** Whether the guest asked for more memory than it may have. */
  get growthRefused(): boolean {
    return this.#header[MAP.refused / 4] !== 0;
  }

  /** For the next call. */
  set limitBytes(bytes: number) {
    this.#header[MAP.refused / 4] = 0;
    this.#header[MAP.limit / 4] = Math.max(1, Math.floor(bytes / WASM_PAGE_BYTES));
  }

  get pristineBytes(): number {
    return this.#pristine.length;
  }

  readonly written = (at: number, length: number): void => {
    if (length === 0) return;
    const last = (at + length - 1) >>> MARKED_PAGE_SHIFT;
    for (let page = at >>> MARKED_PAGE_SHIFT; page <= last; page += 1) this.#marks[page] = 1;
  };

  /** False if it has grown too far to be kept. */
  rewind(): boolean {
    const live = new Uint8Array(this.#memory.buffer);
    if (live.length > this.#pristine.length + this.#slackPages * WASM_PAGE_BYTES) return false;
    this.#header[MAP.slack / 4] = this.#slackPages;
    const marks = this.#marks;
    const end = this.#slackMarks.includes(1) ? live.length : this.#pristine.length;
    const pages = end >>> MARKED_PAGE_SHIFT;
    let run = -1;
    for (let word = 0; word * 4 < pages; word += 1) {
      if (this.#words[word] === 0 && run < 0) continue;
      for (let page = word * 4; page < word * 4 + 4; page += 1) {
        if (marks[page] !== 0) {
          if (run < 0) run = page;
        } else if (run >= 0) {
          this.#restore(live, run, page);
          run = -1;
        }
      }
      this.#words[word] = 0;
    }
    if (run >= 0) this.#restore(live, run, pages);
    return true;
  }

  #restore(live: Uint8Array, firstPage: number, endPage: number): void {
    const from = firstPage * MARKED_PAGE_BYTES;
    const to = Math.min(endPage * MARKED_PAGE_BYTES + STORE_TAIL, live.length);
    const pristine = this.#pristine;
    if (from < pristine.length) live.set(pristine.subarray(from, Math.min(to, pristine.length)), from);
    if (to > pristine.length) live.fill(0, Math.max(from, pristine.length), to);
  }
}
