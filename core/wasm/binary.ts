import { PlatformError } from '../errors.ts';

const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

export interface Section {
  id: number;
  body: Uint8Array;
}

/** Reads a WebAssembly core module front to back. Throws COMPONENT_INVALID where the bytes end early or make no sense. */
export class BinaryReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  get position(): number {
    return this.#at;
  }

  /** Back to where it was before, or on. */
  goTo(position: number): void {
    this.#at = position;
  }

  /** The bytes not read yet. */
  rest(): Uint8Array {
    return this.#bytes.subarray(this.#at);
  }

  /** The next byte, without moving on. */
  peek(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) throw malformed('it ends early');
    return value;
  }

  byte(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) throw malformed('it ends early');
    this.#at += 1;
    return value;
  }

  /** An unsigned 32-bit LEB128 number. */
  u32(): number {
    const first = this.byte();
    if (first < 0x80) return first; // as most are
    let value = first & 0x7f;
    for (let shift = 7; shift <= 28; shift += 7) {
      const byte = this.byte();
      if (shift === 28 && byte > 0x0f) break;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw malformed('a number has more than 32 bits');
  }

  /** A signed 32-bit LEB128 number of a module that is valid. */
  i32(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      return shift < 28 && (byte & 0x40) !== 0 ? value | (-1 << (shift + 7)) : value;
    }
  }

  /** A count, never more than the bytes could hold. */
  count(): number {
    const count = this.u32();
    if (count > this.#bytes.length) throw malformed('a section is shorter than its count says');
    return count;
  }

  take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw malformed('it ends early');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  /** The bytes from one position up to another. */
  between(start: number, end: number): Uint8Array {
    return this.#bytes.subarray(start, end);
  }

  /** The same, written. */
  copyTo(writer: BinaryWriter, start: number, end: number): void {
    writer.copy(this.#bytes, start, end);
  }

  skip(length: number): void {
    this.take(length);
  }

  /** Any LEB128 number, of whatever size and sign. */
  skipNumber(): void {
    while (this.byte() >= 0x80);
  }

  /** A length-prefixed vector of bytes; the engine has seen to it that it is UTF-8. */
  name(): string {
    return new TextDecoder().decode(this.take(this.u32()));
  }
}

/** Bytes in the making. */
export class BinaryWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;

  constructor(capacity = 1024) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** What was written; valid until something else is written. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): this {
    this.#length = 0;
    return this;
  }

  byte(value: number): this {
    if (this.#length === this.#bytes.length) this.#reserve(1);
    this.#bytes[this.#length] = value;
    this.#length += 1;
    return this;
  }

  bytes(bytes: Uint8Array | readonly number[]): this {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** An opcode and the number that follows it. */
  op(code: number, operand: number): this {
    return this.byte(code).u32(operand);
  }

  u32(value: number): this {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.byte((rest % 0x80) + 0x80);
    return this.byte(rest);
  }

  /** Part of other bytes, from one place up to another. */
  copy(from: Uint8Array, start: number, end: number): this {
    const length = end - start;
    this.#reserve(length);
    if (length > 64) this.#bytes.set(from.subarray(start, end), this.#length);
    else for (let at = 0; at < length; at += 1) this.#bytes[this.#length + at] = from[start + at] ?? 0;
    this.#length += length;
    return this;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

export function malformed(what: string): PlatformError {
  return new PlatformError(
    'COMPONENT_INVALID',
    `the component holds a core module that is malformed: ${what}`,
  );
}

/** Throws COMPONENT_INVALID if the bytes are no core module of version 1. */
export function readSections(module: Uint8Array): Section[] {
  if (HEADER.some((byte, index) => module[index] !== byte))
    throw malformed('its header is not that of version 1');
  const reader = new BinaryReader(module.subarray(HEADER.length));
  const sections: Section[] = [];
  while (!reader.done) {
    const id = reader.byte();
    sections.push({ id, body: reader.take(reader.u32()) });
  }
  return sections;
}

export function writeSections(sections: readonly Section[]): Uint8Array {
  return concat([
    Uint8Array.from(HEADER),
    ...sections.flatMap(({ id, body }) => [Uint8Array.from([id, ...encodeU32(body.length)]), body]),
  ]);
}

export function encodeU32(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low + 128 : low);
  } while (rest > 0);
  return bytes;
}

/** A signed LEB128 number, as `i32.const` has it; takes unsigned 32-bit values too. */
export function encodeI32(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value | 0; ; rest >>= 7) {
    const low = rest & 0x7f;
    const last = rest >= -64 && rest < 64;
    bytes.push(last ? low : low | 0x80);
    if (last) return bytes;
  }
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
