// UTF-8 as the Encoding Standard has it, for engines of JavaScript that lack it. A guest is copied into every instance, so it is this and no other encoding.

const LABELS = ['unicode-1-1-utf-8', 'unicode11utf8', 'unicode20utf8', 'utf-8', 'utf8', 'x-unicode20utf8'];
const REPLACEMENT = 0xfffd;
const BYTE_ORDER_MARK = '\uFEFF';
/** Code units made a string at once: a call takes so many arguments anywhere. */
const CHUNK_UNITS = 4_096;

export class TextEncoder {
  readonly encoding = 'utf-8';

  encode(input: unknown = ''): Uint8Array<ArrayBuffer> {
    const text = String(input);
    // Exact for what is ASCII throughout.
    const bytes = new Uint8Array(text.length);
    const begun = write(text, bytes);
    if (begun.read === text.length) return bytes;
    const enough = new Uint8Array(begun.written + (text.length - begun.read) * 3);
    enough.set(bytes.subarray(0, begun.written));
    return enough.slice(0, write(text, enough, begun).written);
  }

  encodeInto(input: unknown, target: Uint8Array): { read: number; written: number } {
    return write(String(input), target);
  }
}

/** Writes whole characters while there is room. */
function write(
  text: string,
  target: Uint8Array,
  { read, written } = { read: 0, written: 0 },
): { read: number; written: number } {
  while (read < text.length) {
    const unit = text.charCodeAt(read);
    if (unit < 0x80) {
      if (written >= target.length) break;
      target[written++] = unit;
      read += 1;
      continue;
    }
    let codePoint = text.codePointAt(read) ?? REPLACEMENT;
    const units = codePoint > 0xffff ? 2 : 1;
    if (codePoint >= 0xd800 && codePoint <= 0xdfff) codePoint = REPLACEMENT; // half of a pair
    const length = codePoint < 0x800 ? 2 : units + 2;
    if (written + length > target.length) break;
    target[written++] =
      (length === 2 ? 0xc0 : length === 3 ? 0xe0 : 0xf0) | (codePoint >> (6 * (length - 1)));
    for (let shift = 6 * (length - 2); shift >= 0; shift -= 6) {
      target[written++] = 0x80 | ((codePoint >> shift) & 0x3f);
    }
    read += units;
  }
  return { read, written };
}

/** A character whose bytes have not all come: how many are missing, and what the next may be. */
interface Unfinished {
  missing: number;
  codePoint: number;
  lowest: number;
  highest: number;
}

const NOTHING: Unfinished = { missing: 0, codePoint: 0, lowest: 0x80, highest: 0xbf };

export class TextDecoder {
  readonly encoding = 'utf-8';
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  #unfinished = NOTHING;
  #begun = false;
  #goesOn = false;

  constructor(label: unknown = 'utf-8', options: { fatal?: boolean; ignoreBOM?: boolean } = {}) {
    const name = String(label)
      .replace(/^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, '')
      .toLowerCase();
    if (!LABELS.includes(name)) {
      throw new RangeError(`the encoding ${name} is not there: this engine has UTF-8 alone`);
    }
    this.fatal = Boolean(options.fatal);
    this.ignoreBOM = Boolean(options.ignoreBOM);
  }

  decode(input?: ArrayBufferLike | ArrayBufferView, options: { stream?: boolean } = {}): string {
    const unfinished = this.#goesOn ? this.#unfinished : NOTHING;
    if (!this.#goesOn) this.#begun = false;
    this.#goesOn = false; // also where it throws
    const stream = Boolean(options.stream);
    const { text, rest } = read(bytesOf(input), unfinished, { fatal: this.fatal, stream });
    this.#goesOn = stream;
    this.#unfinished = rest;
    if (this.#begun || text === '') return text;
    this.#begun = true;
    return !this.ignoreBOM && text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
  }
}

function read(
  bytes: Uint8Array,
  unfinished: Unfinished,
  { fatal, stream }: { fatal: boolean; stream: boolean },
): { text: string; rest: Unfinished } {
  let { missing, codePoint, lowest, highest } = unfinished;
  let text = '';
  let units: number[] = [];
  const replace = (): void => {
    if (fatal) throw new TypeError('the bytes are not UTF-8');
    units.push(REPLACEMENT);
  };
  for (const byte of bytes) {
    if (missing > 0) {
      const fits = byte >= lowest && byte <= highest;
      lowest = 0x80;
      highest = 0xbf;
      if (fits) {
        codePoint = (codePoint << 6) | (byte & 0x3f);
        missing -= 1;
        if (missing > 0) continue;
        if (codePoint > 0xffff) units.push(0xd7c0 + (codePoint >> 10), 0xdc00 + (codePoint & 0x3ff));
        else units.push(codePoint);
        continue;
      }
      missing = 0;
      replace();
    }
    if (byte < 0x80) units.push(byte);
    else if (byte >= 0xc2 && byte <= 0xf4) {
      missing = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
      codePoint = byte & (0x3f >> missing);
      // No character has a longer form than it needs, is half of a pair, or lies beyond U+10FFFF.
      if (byte === 0xe0) lowest = 0xa0;
      else if (byte === 0xf0) lowest = 0x90;
      else if (byte === 0xed) highest = 0x9f;
      else if (byte === 0xf4) highest = 0x8f;
    } else replace();
    if (units.length >= CHUNK_UNITS) {
      text += String.fromCharCode(...units);
      units = [];
    }
  }
  if (missing > 0 && !stream) replace();
  return { text: text + String.fromCharCode(...units), rest: { missing, codePoint, lowest, highest } };
}

function bytesOf(input: unknown): Uint8Array {
  if (input === undefined) return new Uint8Array();
  if (input instanceof ArrayBuffer || input instanceof SharedArrayBuffer) return new Uint8Array(input);
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  throw new TypeError('only buffers and views of them hold bytes');
}
