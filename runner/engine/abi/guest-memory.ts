/** What the canonical ABI demands of a guest was not so: the call ends as if the guest had trapped. */
export function trap(what: string): WebAssembly.RuntimeError {
  return new WebAssembly.RuntimeError(`canonical ABI: ${what}`);
}

const encoder = new TextEncoder();
/** Strict, as the canonical ABI is: other bytes are a fault of the guest. */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A short string is put together faster than a decoder is called. */
const SHORT = 32;

/** Fuel for what the host moves: it costs more than the guest's own bulk instructions, and lists most. */
const BYTES_PER_FUEL = 16;
const FUEL_PER_ITEM = 10;
/** Items of lists in the values of one call: they become objects, which take many times what they take in the guest. */
const MAX_ITEMS = 100_000;
/** However small the guest's memory is. */
const MIN_MOVED = 64 * 1024;

/** A guest's memory as the host reads and writes it, within its bounds. `written` hears of every byte that the host writes. */
export class GuestMemory {
  readonly #memory: WebAssembly.Memory;
  readonly #realloc: (old: number, oldSize: number, align: number, size: number) => number;
  readonly #written: (at: number, length: number) => void;
  readonly #charge: (fuel: number) => void;
  #bytesLeft = 0;
  #itemsLeft = 0;
  #bytes: Uint8Array;
  #view: DataView;

  constructor(
    memory: WebAssembly.Memory,
    realloc: (old: number, oldSize: number, align: number, size: number) => number,
    written: (at: number, length: number) => void,
    charge: (fuel: number) => void,
  ) {
    this.#memory = memory;
    this.#realloc = realloc;
    this.#written = written;
    this.#charge = charge;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
  }

  /** Before the values of a call are read. */
  beginValues(): void {
    this.#refresh();
    this.#bytesLeft = Math.max(this.#bytes.length, MIN_MOVED);
    this.#itemsLeft = MAX_ITEMS;
  }

  /** Pointers may all lead to the same bytes: what is read in one call is no more than the memory holds. */
  take(bytes: number, items = 0): void {
    this.#bytesLeft -= bytes;
    this.#itemsLeft -= items;
    if (this.#bytesLeft < 0 || this.#itemsLeft < 0) throw trap('the values of a call are too large');
    this.#charge(Math.floor(bytes / BYTES_PER_FUEL) + items * FUEL_PER_ITEM);
  }

  /** Growing leaves the views behind without a byte. */
  #refresh(): void {
    if (this.#bytes.length > 0) return;
    this.#bytes = new Uint8Array(this.#memory.buffer);
    this.#view = new DataView(this.#memory.buffer);
  }

  /** For a value of `size` bytes at `at`, whose address is a multiple of `align`. */
  read(at: number, size: number, align: number): DataView {
    this.#refresh();
    this.#check(at, size, align);
    return this.#view;
  }

  /** The same, to write all of it. */
  write(at: number, size: number, align: number): DataView {
    this.#refresh();
    this.#check(at, size, align);
    this.#written(at, size);
    return this.#view;
  }

  #check(at: number, size: number, align: number): void {
    if (at % align !== 0) throw trap(`address ${at} is not aligned to ${align}`);
    if (at + size > this.#bytes.length) throw trap(`address ${at} is outside of the memory`);
  }

  /** Room for `size` bytes, made by the guest. Nothing is asked of it for nothing. */
  allocate(size: number, align: number): number {
    if (size === 0) return align;
    this.#charge(Math.floor(size / BYTES_PER_FUEL));
    const at = this.#realloc(0, 0, align, size) >>> 0;
    this.#refresh();
    this.#check(at, size, align);
    return at;
  }

  string(at: number, length: number): string {
    this.#refresh();
    this.#check(at, length, 1);
    this.take(length);
    const bytes = this.#bytes;
    if (length > SHORT) return decode(bytes.subarray(at, at + length));
    let text = '';
    for (let index = at; index < at + length; index += 1) {
      const byte = bytes[index] ?? 0;
      if (byte > 0x7f) return decode(bytes.subarray(at, at + length));
      text += String.fromCharCode(byte);
    }
    return text;
  }

  /** A copy. */
  bytes(at: number, length: number): Uint8Array {
    this.#refresh();
    this.#check(at, length, 1);
    this.take(length);
    return this.#bytes.slice(at, at + length);
  }

  /** Answers where it lies; its length in bytes is `lastLength`. */
  putString(text: string): number {
    if (text.length > SHORT || !isAscii(text)) return this.putBytes(encoder.encode(text));
    const at = this.allocate(text.length, 1);
    for (let index = 0; index < text.length; index += 1) this.#bytes[at + index] = text.charCodeAt(index);
    this.#written(at, text.length);
    this.lastLength = text.length;
    return at;
  }

  putBytes(bytes: Uint8Array): number {
    const at = this.allocate(bytes.byteLength, 1);
    if (bytes.byteLength > 0) {
      this.#bytes.set(bytes, at);
      this.#written(at, bytes.byteLength);
    }
    this.lastLength = bytes.byteLength;
    return at;
  }

  /** Of the last `putString` or `putBytes`. */
  lastLength = 0;
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) if (text.charCodeAt(index) > 0x7f) return false;
  return true;
}

function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw trap('a string is not UTF-8');
  }
}
