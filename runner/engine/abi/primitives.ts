import type { Primitive } from '../../../core/component/plan.ts';
import { nextOf, nextU32, type Converter, type Place } from './converter.ts';
import { trap } from './guest-memory.ts';

/** A number of one, two, four or eight bytes. */
function numeric<T extends number | bigint>(
  size: number,
  get: (view: DataView, at: number) => T,
  set: (view: DataView, at: number, value: T) => void,
  fromCore: (value: T) => T,
): Converter {
  return {
    load: ({ memory }, at) => get(memory.read(at, size, size), at),
    store: ({ memory }, at, value) => set(memory.write(at, size, size), at, value as T),
    lift: (_place, flat) => fromCore(nextOf(flat) as T),
    lower: (_place, value, out) => out.push(value as T),
  };
}

const same = <T>(value: T): T => value;

/** Something that JavaScript has another form for, travelling as a number. */
function mapped(
  base: Converter,
  fromNumber: (number: number) => unknown,
  toNumber: (value: unknown) => number,
) {
  return {
    load: (place, at) => fromNumber(base.load(place, at) as number),
    store: (place, at, value) => base.store(place, at, toNumber(value)),
    lift: (_place, flat) => fromNumber(nextU32(flat)),
    lower: (_place, value, out) => out.push(toNumber(value)),
  } satisfies Converter;
}

const u8 = numeric<number>(
  1,
  (view, at) => view.getUint8(at),
  (view, at, value) => view.setUint8(at, value),
  (value) => value & 0xff,
);
const u16 = numeric<number>(
  2,
  (view, at) => view.getUint16(at, true),
  (view, at, value) => view.setUint16(at, value, true),
  (value) => value & 0xffff,
);
const u32 = numeric<number>(
  4,
  (view, at) => view.getUint32(at, true),
  (view, at, value) => view.setUint32(at, value, true),
  (value) => value >>> 0,
);

const string: Converter = {
  load({ memory }, at) {
    const view = memory.read(at, 8, 4);
    return memory.string(view.getUint32(at, true), view.getUint32(at + 4, true));
  },
  store({ memory }, at, value) {
    const text = memory.putString(String(value));
    const length = memory.lastLength;
    const view = memory.write(at, 8, 4);
    view.setUint32(at, text, true);
    view.setUint32(at + 4, length, true);
  },
  lift: ({ memory }, flat) => memory.string(nextU32(flat), nextU32(flat)),
  lower({ memory }, value, out) {
    out.push(memory.putString(String(value)));
    out.push(memory.lastLength);
  },
};

export const PRIMITIVE_CONVERTERS: Readonly<Record<Primitive, Converter>> = {
  u8,
  u16,
  u32,
  s8: numeric<number>(
    1,
    (view, at) => view.getInt8(at),
    (view, at, value) => view.setInt8(at, value),
    (value) => (value << 24) >> 24,
  ),
  s16: numeric<number>(
    2,
    (view, at) => view.getInt16(at, true),
    (view, at, value) => view.setInt16(at, value, true),
    (value) => (value << 16) >> 16,
  ),
  s32: numeric<number>(
    4,
    (view, at) => view.getInt32(at, true),
    (view, at, value) => view.setInt32(at, value, true),
    (value) => value | 0,
  ),
  u64: numeric<bigint>(
    8,
    (view, at) => view.getBigUint64(at, true),
    (view, at, value) => view.setBigUint64(at, value, true),
    (value) => BigInt.asUintN(64, value),
  ),
  s64: numeric<bigint>(
    8,
    (view, at) => view.getBigInt64(at, true),
    (view, at, value) => view.setBigInt64(at, value, true),
    same,
  ),
  f32: numeric<number>(
    4,
    (view, at) => view.getFloat32(at, true),
    (view, at, value) => view.setFloat32(at, value, true),
    same,
  ),
  f64: numeric<number>(
    8,
    (view, at) => view.getFloat64(at, true),
    (view, at, value) => view.setFloat64(at, value, true),
    same,
  ),
  bool: mapped(
    u8,
    (number) => number !== 0,
    (value) => (value === true ? 1 : 0),
  ),
  char: mapped(u32, charOf, (value) => (value as string).codePointAt(0) ?? 0),
  string,
};

function charOf(code: number): string {
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) throw trap(`${code} is no character`);
  return String.fromCodePoint(code);
}

export function enumConverter(base: Converter, names: readonly string[]): Converter {
  const numbers = new Map(names.map((name, index) => [name, index]));
  const fromNumber = (index: number): string => {
    const name = names[index];
    if (name === undefined) throw trap(`an enum has no case ${index}`);
    return name;
  };
  const toNumber = (value: unknown): number => {
    const number = numbers.get(value as string);
    if (number === undefined) throw new TypeError(`an enum has no case ${String(value)}`);
    return number;
  };
  return mapped(base, fromNumber, toNumber);
}

export function flagsConverter(base: Converter, names: readonly string[]): Converter {
  return mapped(
    base,
    (bits) => Object.fromEntries(names.map((name, index) => [name, ((bits >>> index) & 1) === 1])),
    (value) =>
      names.reduce(
        (bits, name, index) => bits | ((value as Record<string, boolean>)[name] === true ? 1 << index : 0),
        0,
      ) >>> 0,
  );
}

/** A handle of the guest; `owned` says whether it travels with what it stands for. */
export function handleConverter(isOf: (object: object) => boolean, owned: boolean): Converter {
  const fromNumber = ({ handles }: Place, handle: number): object => {
    const object = owned ? handles.remove(handle) : handles.get(handle);
    if (!isOf(object)) throw trap(`handle ${handle} is of another resource`);
    return object;
  };
  const toNumber = ({ handles }: Place, value: unknown): number => {
    if (typeof value !== 'object' || value === null || !isOf(value)) {
      throw new TypeError('the host gave something else than a resource');
    }
    return handles.add(value, !owned);
  };
  return {
    load: (place, at) => fromNumber(place, u32.load(place, at) as number),
    store: (place, at, value) => u32.store(place, at, toNumber(place, value)),
    lift: (place, flat) => fromNumber(place, nextU32(flat)),
    lower: (place, value, out) => out.push(toNumber(place, value)),
  };
}
