import { MAP, MARKED_PAGE_SHIFT } from '../../core/wasm/reserved.ts';
import { rewindModule, type Rewind, type RewindImports } from '../../core/wasm/rewind-module.ts';

const WASM_PAGE_BYTES = 64 * 1024;
/** What a guest may grow by without its instance being thrown away: what it holds would stay with the process. */
const KEPT_GROWTH_PAGES = 256;

const REWIND = new WebAssembly.Module(rewindModule());

/** How a memory begins; the same in all instances of a component. */
export interface Beginning {
  bytes: number;
  pristine: WebAssembly.Memory;
  /** There from the beginning, empty, for the guest to grow into; so their being there tells nothing of an earlier call. */
  slackPages: number;
}

/** `rewindable` says whether it is kept after its call. */
export function beginningOf(memory: WebAssembly.Memory, rewindable: boolean): Beginning {
  const bytes = memory.buffer.byteLength;
  const pages = rewindable ? bytes / WASM_PAGE_BYTES : 0;
  const pristine = new WebAssembly.Memory({ initial: pages });
  if (rewindable) new Uint8Array(pristine.buffer).set(new Uint8Array(memory.buffer));
  return { bytes, pristine, slackPages: rewindable ? reserve(memory) : 0 };
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
  readonly #map: WebAssembly.Memory;
  readonly #beginning: Beginning;
  readonly #marks: Uint8Array;
  readonly #header: Uint32Array;
  #rewind: Rewind | undefined;

  /** The slack is there already. */
  constructor(memory: WebAssembly.Memory, map: WebAssembly.Memory, beginning: Beginning) {
    this.#memory = memory;
    this.#map = map;
    this.#beginning = beginning;
    this.#header = new Uint32Array(map.buffer, 0, MAP.pages / 4);
    this.#marks = new Uint8Array(map.buffer, MAP.pages);
    this.#marks.fill(0);
    this.#header[MAP.slack / 4] = beginning.slackPages;
  }

  get pristineBytes(): number {
    return this.#beginning.bytes;
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

  readonly written = (at: number, length: number): void => {
    if (length === 0) return;
    const last = (at + length - 1) >>> MARKED_PAGE_SHIFT;
    for (let page = at >>> MARKED_PAGE_SHIFT; page <= last; page += 1) this.#marks[page] = 1;
  };

  /** False if it has grown too far to be kept. */
  rewind(): boolean {
    const { bytes, pristine, slackPages } = this.#beginning;
    this.#rewind ??= instantiateRewind({ map: this.#map, live: this.#memory, pristine });
    if (this.#rewind(bytes, bytes / WASM_PAGE_BYTES + slackPages) === 0) return false;
    this.#header[MAP.slack / 4] = slackPages;
    return true;
  }
}

function instantiateRewind(imports: RewindImports): Rewind {
  return new WebAssembly.Instance(REWIND, { rewind: { ...imports } }).exports['rewind'] as Rewind;
}
