import type { WitValue } from '../engine/engine.ts';

/** What a frame's head can hold: JSON, bytes, 64-bit integers and `undefined` (no `null`). Guests' values are just that. */
export type WireValue = WitValue;

type Json = string | number | boolean | null | Json[] | { [field: string]: Json };

// An object with exactly one of these keys stands for something JSON lacks; `$plain` wraps an object whose own keys look like one.
const BYTES = '$bytes';
const INTEGER = '$int';
const PLAIN = '$plain';

const MAX_DEPTH = 64;

/** JSON for a value; its bytes are appended to `blobs` and referred to by place. */
export function toWire(value: WireValue, blobs: Uint8Array[]): Json {
  let offset = blobs.reduce((sum, blob) => sum + blob.byteLength, 0);

  const convert = (item: WireValue): Json => {
    if (item === undefined) return null;
    if (typeof item === 'bigint') return { [INTEGER]: item.toString() };
    if (typeof item !== 'object') return item;
    if (ArrayBuffer.isView(item)) {
      const bytes = item;
      blobs.push(bytes);
      offset += bytes.byteLength;
      return { [BYTES]: [offset - bytes.byteLength, bytes.byteLength] };
    }
    if (Array.isArray(item)) return (item as readonly WireValue[]).map(convert);
    const fields = Object.entries(item as Record<string, WireValue>);
    const object = Object.fromEntries(fields.map(([name, field]) => [name, convert(field)]));
    return fields.some(([name]) => name.startsWith('$')) ? { [PLAIN]: object } : object;
  };
  return convert(value);
}

/** Narrows what JSON.parse answers: everything it can answer is `Json`. */
export function isWire(parsed: unknown): parsed is Json {
  return parsed !== undefined;
}

function restoreMarker(key: string, content: Json | undefined, blobs: Uint8Array): WireValue {
  if (key === INTEGER && typeof content === 'string' && /^-?\d{1,20}$/.test(content)) return BigInt(content);
  if (key === BYTES && Array.isArray(content)) {
    const [offset, length] = content;
    const inside =
      Number.isSafeInteger(offset) &&
      Number.isSafeInteger(length) &&
      Number(offset) >= 0 &&
      Number(length) >= 0 &&
      Number(offset) + Number(length) <= blobs.byteLength;
    if (inside) return blobs.subarray(Number(offset), Number(offset) + Number(length));
  }
  throw new RangeError('a marker that means nothing');
}

/** The value that `toWire` was given. Undefined if the JSON could not have come from it. */
export function restore(wire: Json, blobs: Uint8Array): { value: WireValue } | undefined {
  // Works in place: assigning to an own key is safe even when a hostile sender named it `__proto__`.
  const fields = (object: Record<string, Json | WireValue>, depth: number): WireValue => {
    for (const key of Object.keys(object)) object[key] = walk(object[key] as Json, depth);
    return object as Record<string, WireValue>;
  };
  const walk = (item: Json, depth: number): WireValue => {
    if (depth > MAX_DEPTH) throw new RangeError('nested too deep');
    if (item === null) return undefined;
    if (typeof item !== 'object') return item;
    if (Array.isArray(item)) return item.map((member) => walk(member, depth + 1));
    const [key, second] = Object.keys(item);
    if (key?.startsWith('$') !== true || second !== undefined) return fields(item, depth + 1);
    const content = item[key];
    if (key === PLAIN && typeof content === 'object' && content !== null && !Array.isArray(content)) {
      return fields(content, depth + 1);
    }
    return restoreMarker(key, content, blobs);
  };
  try {
    return { value: walk(wire, 0) };
  } catch (err) {
    if (err instanceof RangeError) return undefined;
    throw err;
  }
}
