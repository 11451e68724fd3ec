import { narrow, nextOf, nextU32, widen, type Converter, type CoreValue, type Place } from './converter.ts';
import { trap } from './guest-memory.ts';
import { alignTo, discriminantSize, type FlatType, type Layout } from './layout.ts';
import { PRIMITIVE_CONVERTERS } from './primitives.ts';

export interface Part {
  converter: Converter;
  layout: Layout;
}

/** The JavaScript form of several values: an object or an array, and where in it each of them is. */
export interface Shape {
  keys: readonly (string | number)[];
  create: () => Record<string | number, unknown>;
}

/** Several values side by side. Plain loops: they run for every record of every call. */
export function productConverter(parts: readonly Part[], { keys, create }: Shape): Converter {
  let end = 0;
  const placed = parts.map(({ converter, layout }, index) => {
    const offset = alignTo(end, layout.align);
    end = offset + layout.size;
    return { converter, offset, key: keys[index] ?? index };
  });
  const read = (convert: (part: (typeof placed)[number]) => unknown): unknown => {
    const made = create();
    for (const part of placed) made[part.key] = convert(part);
    return made;
  };
  return {
    load: (place, at) => read(({ converter, offset }) => converter.load(place, at + offset)),
    store(place, at, value) {
      const values = value as Record<string | number, unknown>;
      for (const { converter, offset, key } of placed) converter.store(place, at + offset, values[key]);
    },
    lift: (place, flat) => read(({ converter }) => converter.lift(place, flat)),
    lower(place, value, out) {
      const values = value as Record<string | number, unknown>;
      for (const { converter, key } of placed) converter.lower(place, values[key], out);
    },
  };
}

export function listConverter({ converter, layout }: Part): Converter {
  const { size, align } = layout;
  const read: Elements['read'] = (place, at, length) => {
    if (size > 0) place.memory.read(at, length * size, align);
    place.memory.take(length * size, length);
    const values: unknown[] = [];
    for (let index = 0; index < length; index += 1) values.push(converter.load(place, at + index * size));
    return values;
  };
  const write: Elements['write'] = (place, value) => {
    const values = Array.isArray(value) ? (value as unknown[]) : Array.from(value as Iterable<unknown>);
    const at = place.memory.allocate(values.length * size, align);
    for (let index = 0; index < values.length; index += 1)
      converter.store(place, at + index * size, values[index]);
    return { at, length: values.length };
  };
  return sequence({ read, write });
}

/** A `list<u8>` is a Uint8Array. */
export const bytesConverter: Converter = sequence({
  read: ({ memory }, at, length) => memory.bytes(at, length),
  write: ({ memory }, value) => {
    if (!ArrayBuffer.isView(value)) throw new TypeError('the host gave something else than bytes');
    const { buffer, byteOffset, byteLength } = value;
    return { at: memory.putBytes(new Uint8Array(buffer, byteOffset, byteLength)), length: byteLength };
  },
});

interface Elements {
  read: (place: Place, at: number, length: number) => unknown;
  write: (place: Place, value: unknown) => { at: number; length: number };
}

/** Elements somewhere in memory, known by their address and number. */
function sequence({ read, write }: Elements): Converter {
  return {
    load(place, at) {
      const view = place.memory.read(at, 8, 4);
      return read(place, view.getUint32(at, true), view.getUint32(at + 4, true));
    },
    store(place, at, value) {
      const written = write(place, value);
      const view = place.memory.write(at, 8, 4);
      view.setUint32(at, written.at, true);
      view.setUint32(at + 4, written.length, true);
    },
    lift: (place, flat) => read(place, nextU32(flat), nextU32(flat)),
    lower(place, value, out) {
      const written = write(place, value);
      out.push(written.at, written.length);
    },
  };
}

/** The JavaScript form of one of several values. */
export interface Choice {
  make: (index: number, payload: unknown) => unknown;
  indexOf: (value: unknown) => number;
  payloadOf: (value: unknown) => unknown;
}

/** `flat` is the layout of all cases joined. */
export function sumConverter(
  cases: readonly (Part | undefined)[],
  flat: readonly FlatType[] | undefined,
  { make, indexOf, payloadOf }: Choice,
): Converter {
  const headSize = discriminantSize(cases.length);
  const head = PRIMITIVE_CONVERTERS[headSize === 1 ? 'u8' : headSize === 2 ? 'u16' : 'u32'];
  const payloadAt = alignTo(headSize, Math.max(1, ...cases.map((part) => part?.layout.align ?? 1)));
  const payloadFlat = flat?.slice(1) ?? [];

  const caseAt = (index: number): Part | undefined => {
    if (index >= cases.length) throw trap(`a value has no case ${index}`);
    return cases[index];
  };
  return {
    load(place, at) {
      const index = head.load(place, at) as number;
      return make(index, caseAt(index)?.converter.load(place, at + payloadAt));
    },
    store(place, at, value) {
      const index = indexOf(value);
      head.store(place, at, index);
      cases[index]?.converter.store(place, at + payloadAt, payloadOf(value));
    },
    lift(place, from) {
      const index = nextU32(from);
      const part = caseAt(index);
      const values = payloadFlat.map(() => nextOf(from));
      if (!part) return make(index, undefined);
      const own = (part.layout.flat ?? []).map((type, at) =>
        narrow(values[at] ?? 0, payloadFlat[at] ?? type, type),
      );
      return make(index, part.converter.lift(place, { values: own, at: 0 }));
    },
    lower(place, value, out) {
      const index = indexOf(value);
      const own: CoreValue[] = [];
      const part = cases[index];
      part?.converter.lower(place, payloadOf(value), own);
      out.push(index);
      payloadFlat.forEach((type, at) => {
        const from = part?.layout.flat?.[at];
        const given = own[at];
        if (given !== undefined && from) out.push(widen(given, from, type));
        else out.push(type === 'i64' ? 0n : 0);
      });
    },
  };
}
