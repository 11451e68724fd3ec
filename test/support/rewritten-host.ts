import {
  EXPORT,
  GO_ON,
  IMPORT,
  MAP,
  MARKED_PAGE_BYTES,
  RESERVED,
  STOP,
  STORE_TAIL,
  TAKE_TURN,
} from '../../core/wasm/reserved.ts';

const PAGE_BYTES = 64 * 1024;

export interface HostOptions {
  /** Fuel for everything, handed out in slices; without it there is always more. */
  fuel?: number;
  slice?: number;
  /** Called whenever a slice is used up; a promise needs `suspends`. */
  turn?: () => number | Promise<number>;
  suspends?: boolean;
}

interface MarkedMemory {
  memory: WebAssembly.Memory;
  map: WebAssembly.Memory;
  snapshot: Uint8Array;
}

/** The host's side of the rewritten core modules of one instance: what an engine does, as short as it can be said. */
export class RewrittenHost {
  readonly memories: MarkedMemory[] = [];
  readonly instances: WebAssembly.Instance[] = [];
  outOfFuel = false;
  readonly #options: HostOptions;
  readonly #left = new WebAssembly.Global<number>({ value: 'i32', mutable: true }, 0);
  #handedOut = 0;

  constructor(options: HostOptions = {}) {
    this.#options = options;
  }

  get fuelUsed(): number {
    return this.#handedOut - this.#left.value;
  }

  instantiate = (module: WebAssembly.Module, imports: WebAssembly.Imports = {}): WebAssembly.Instance => {
    const { turn = () => GO_ON, suspends = false } = this.#options;
    const from = WebAssembly.Module.imports(module).find(
      ({ module: name, kind }) => kind === 'memory' && name !== RESERVED,
    );
    const memory = from && imports[from.module]?.[from.name];
    const map = this.memories.find((marked) => marked.memory === memory)?.map;
    const instance = new WebAssembly.Instance(module, {
      ...imports,
      [RESERVED]: {
        [IMPORT.fuel]: this.#left,
        [IMPORT.spent]: () => this.#spent(),
        [IMPORT.turn]: suspends ? new WebAssembly.Suspending(turn) : turn,
        ...(map && { [IMPORT.map]: map }),
      },
    });
    this.instances.push(instance);
    const own = instance.exports[EXPORT.memory] as WebAssembly.Memory | undefined;
    if (own) {
      const ownMap = instance.exports[EXPORT.map] as WebAssembly.Memory;
      this.memories.push({ memory: own, map: ownMap, snapshot: new Uint8Array() });
    }
    return instance;
  };

  /** From now on this is the state to rewind to. */
  save(): void {
    for (const instance of this.instances) (instance.exports[EXPORT.save] as (() => void) | undefined)?.();
    for (const marked of this.memories) {
      marked.snapshot = new Uint8Array(marked.memory.buffer).slice();
      this.clearMap(marked);
    }
  }

  rewind(): void {
    for (const instance of this.instances) (instance.exports[EXPORT.restore] as (() => void) | undefined)?.();
    for (const marked of this.memories) {
      const { memory, map, snapshot } = marked;
      const live = new Uint8Array(memory.buffer);
      for (const page of markedPages(map)) {
        const start = page * MARKED_PAGE_BYTES;
        const end = Math.min(start + MARKED_PAGE_BYTES + STORE_TAIL, live.length);
        if (start >= live.length) break;
        live.fill(0, start, end);
        live.set(snapshot.subarray(start, end), start);
      }
      this.clearMap(marked);
    }
  }

  clearMap({ memory, map, snapshot }: MarkedMemory): void {
    new Uint8Array(map.buffer).fill(0, MAP.pages);
    const slack = (memory.buffer.byteLength - snapshot.length) / PAGE_BYTES;
    new DataView(map.buffer).setUint32(MAP.slack, slack, true);
  }

  #spent(): number {
    const { fuel = Infinity, slice = 2 ** 20, turn } = this.#options;
    // What was taken beyond the slice is owed.
    while (this.#left.value < 0) {
      const more = Math.min(slice, fuel - this.#handedOut);
      if (more <= 0) {
        this.outOfFuel = true;
        return STOP;
      }
      this.#handedOut += more;
      this.#left.value += more;
    }
    return turn ? TAKE_TURN : GO_ON;
  }
}

export function markedPages(map: WebAssembly.Memory): number[] {
  const marks = new Uint8Array(map.buffer, MAP.pages);
  const pages: number[] = [];
  for (let page = marks.indexOf(1); page >= 0; page = marks.indexOf(1, page + 1)) pages.push(page);
  return pages;
}

/** Pages of which bytes changed that no mark accounts for. */
export function unmarkedChanges(before: Uint8Array, after: Uint8Array, marked: readonly number[]): number[] {
  const accounted = new Set(marked);
  const wrong: number[] = [];
  for (let page = 0; page * MARKED_PAGE_BYTES < after.length; page += 1) {
    if (accounted.has(page)) continue;
    const start = page * MARKED_PAGE_BYTES + (accounted.has(page - 1) ? STORE_TAIL : 0);
    const end = (page + 1) * MARKED_PAGE_BYTES;
    const was = Buffer.from(before.buffer, before.byteOffset, before.length).subarray(start, end);
    const is = Buffer.from(after.buffer, after.byteOffset, after.length).subarray(start, end);
    const same = was.length === is.length ? was.equals(is) : is.every((byte, at) => byte === (was[at] ?? 0));
    if (!same) wrong.push(page);
  }
  return wrong;
}
