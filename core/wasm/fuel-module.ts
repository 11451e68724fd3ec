import { encodeU32, writeSections } from './binary.ts';
import { constant, get } from './code.ts';
import { OP } from './instructions.ts';
import { SECTION } from './sections.ts';
import { KIND, TYPE } from './types.ts';

/** What the module exports. To read or write `global` from JavaScript takes many times what a call of a function does. */
export interface FuelExports {
  /** What is left of the slice. */
  global: WebAssembly.Global;
  /** Takes so much, or less than nothing to give it; answers what is left. */
  take: (amount: number) => number;
}

/** A module of one mutable global that begins with 0. */
export function fuelModule(): Uint8Array {
  const name = (text: string): number[] => [text.length, ...Buffer.from(text)];
  const fuel = [OP.globalGet, 0];
  const take = [...fuel, ...get(0), OP.i32Sub, OP.globalSet, 0, ...fuel];
  const body = [0, ...take, OP.end];
  const section = (id: number, bytes: readonly number[]): { id: number; body: Uint8Array } => ({
    id,
    body: Uint8Array.from(bytes),
  });
  return writeSections([
    section(SECTION.type, [1, 0x60, 1, TYPE.i32, 1, TYPE.i32]),
    section(SECTION.function, [1, 0]),
    section(SECTION.global, [1, TYPE.i32, 1, ...constant(0), OP.end]),
    section(SECTION.export, [2, ...name('global'), KIND.global, 0, ...name('take'), KIND.function, 0]),
    section(SECTION.code, [1, ...encodeU32(body.length), ...body]),
  ]);
}
