import type { WitValue } from '../engine/engine.ts';

/** What a frame's head can hold: JSON, bytes, 64-bit integers and `undefined` (no `null`). Guests' values are just that. */
export type WireValue = WitValue;

type Json = string | number | boolean | null | Json[] | { [field: string]: Json };

// An object with exactly one of these keys stands for something JSON lacks; `$plain` wraps an object whose own keys look like one.
const BYTES = '$bytes';
const INTEGER = '$int';
const PLAIN = '$plain';

const MAX_DEPTH = 64;
const DOLLAR = 0x24;

type Fields = Readonly<Record<string, WireValue>>;

function isMarker(name: string): boolean {
  return name.charCodeAt(0) === DOLLAR;
}

/** JSON for a value; its bytes are appended to `blobs` and referred to by place. What JSON has is passed on as it is, not copied. */
export function toWire(value: WireValue, blobs: Uint8Array[]): Json {
  let offset = 0;
  for (const blob of blobs) offset += blob.byteLength;

  const convert = (item: WireValue): Json => {
    if (item === undefined) return null;
    if (typeof item === 'bigint') return { [INTEGER]: item.toString() };
    if (typeof item !== 'object') return item;
    if (ArrayBuffer.isView(item)) {
      const at = offset;
      blobs.push(item);
      offset += item.byteLength;
      return { [BYTES]: [at, item.byteLength] };
    }
    return Array.isArray(item) ? list(item as readonly WireValue[]) : object(item as Fields);
  };
  const list = (items: readonly WireValue[]): Json => {
    let copy: Json[] | undefined;
    for (const [at, item] of items.entries()) {
      const json = convert(item);
      if (copy === undefined && json !== item) copy = items.slice(0, at) as Json[];
      copy?.push(json);
    }
    return copy ?? (items as Json[]);
  };
  const object = (fields: Fields): Json => {
    const names = Object.keys(fields);
    let isMarked = false;
    let copy: Record<string, Json> | undefined;
    for (const name of names) {
      isMarked ||= isMarker(name);
      const json = convert(fields[name]);
      if (copy === undefined && json !== fields[name]) copy = { ...(fields as Record<string, Json>) };
      if (copy !== undefined) copy[name] = json;
    }
    const json = copy ?? (fields as Record<string, Json>);
    return isMarked ? { [PLAIN]: json } : json;
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
  const fields = (object: Record<string, Json | WireValue>, names: string[], depth: number): WireValue => {
    for (const name of names) {
      const item = object[name] as Json;
      const restored = walk(item, depth);
      if (restored !== item) object[name] = restored;
    }
    return object as Record<string, WireValue>;
  };
  const walk = (item: Json, depth: number): WireValue => {
    if (depth > MAX_DEPTH) throw new RangeError('nested too deep');
    if (item === null) return undefined;
    if (typeof item !== 'object') return item;
    if (Array.isArray(item)) return item.map((member) => walk(member, depth + 1));
    const names = Object.keys(item);
    const [name] = names;
    if (name === undefined || names.length > 1 || !isMarker(name)) return fields(item, names, depth + 1);
    const content = item[name];
    if (name === PLAIN && typeof content === 'object' && content !== null && !Array.isArray(content)) {
      return fields(content, Object.keys(content), depth + 1);
    }
    return restoreMarker(name, content, blobs);
  };
  try {
    return { value: walk(wire, 0) };
  } catch (err) {
    if (err instanceof RangeError) return undefined;
    throw err;
  }
}
