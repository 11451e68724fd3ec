import type { FlatType } from './layout.ts';
import type { GuestMemory } from './guest-memory.ts';
import type { HandleTable } from './handle-table.ts';

/** A value on the core stack. */
export type CoreValue = number | bigint;

/** Where values are read from and written to. */
export interface Place {
  memory: GuestMemory;
  handles: HandleTable;
}

/** Core values, one after the other. */
export interface Flat {
  readonly values: readonly CoreValue[];
  at: number;
}

/** How values of one type cross the border: in memory, and as parts on the stack. */
export interface Converter {
  load(place: Place, at: number): unknown;
  store(place: Place, at: number, value: unknown): void;
  lift(place: Place, flat: Flat): unknown;
  lower(place: Place, value: unknown, out: CoreValue[]): void;
}

export function nextOf(flat: Flat): CoreValue {
  const value = flat.values[flat.at];
  flat.at += 1;
  if (value === undefined) throw new RangeError('a call has fewer values than its type');
  return value;
}

/** The next value of a type that travels as `i32`, without a sign. */
export function nextU32(flat: Flat): number {
  return (nextOf(flat) as number) >>> 0;
}

const scratch = new DataView(new ArrayBuffer(8));

/** A part of a variant's payload, as it travels where another case's part is wider or of another kind. */
export function widen(value: CoreValue, from: FlatType, to: FlatType): CoreValue {
  if (from === to) return value;
  if (from === 'f64') {
    scratch.setFloat64(0, value as number, true);
    return scratch.getBigInt64(0, true);
  }
  let bits = value as number;
  if (from === 'f32') {
    scratch.setFloat32(0, bits, true);
    bits = scratch.getInt32(0, true);
  }
  return to === 'i64' ? BigInt(bits >>> 0) : bits;
}

/** The way back. */
export function narrow(value: CoreValue, from: FlatType, to: FlatType): CoreValue {
  if (from === to) return value;
  if (to === 'f64') {
    scratch.setBigInt64(0, value as bigint, true);
    return scratch.getFloat64(0, true);
  }
  const bits = typeof value === 'bigint' ? Number(BigInt.asIntN(32, value)) : value;
  if (to === 'i32') return bits;
  scratch.setInt32(0, bits, true);
  return scratch.getFloat32(0, true);
}
