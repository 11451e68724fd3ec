import { CODES, OP } from './instructions.ts';

/** How many values an instruction takes from the stack and leaves there, where its opcode alone tells. */
export type Effect = readonly [takes: number, leaves: number];

type Row = readonly [first: number, last: number, takes: number, leaves: number];

/** Scalars and memory; whoever meets another instruction knows nothing of the stack after it. */
const ROWS: readonly Row[] = [
  [0x01, 0x01, 0, 0], // nop
  [0x0d, 0x0d, 1, 0], // br_if
  [0x1a, 0x1a, 1, 0], // drop
  [0x1b, 0x1c, 3, 1], // select
  [0x23, 0x23, 0, 1], // global.get
  [0x24, 0x24, 1, 0], // global.set
  [0x28, 0x35, 1, 1], // loads
  [0x3f, 0x3f, 0, 1], // memory.size
  [0x40, 0x40, 1, 1], // memory.grow
  [0x42, 0x44, 0, 1], // constants, but for i32.const
  [0x45, 0x45, 1, 1], // i32.eqz
  [0x46, 0x4f, 2, 1],
  [0x50, 0x50, 1, 1], // i64.eqz
  [0x51, 0x66, 2, 1],
  [0x67, 0x69, 1, 1], // clz, ctz, popcnt
  [0x6a, 0x78, 2, 1],
  [0x79, 0x7b, 1, 1],
  [0x7c, 0x8a, 2, 1],
  [0x8b, 0x91, 1, 1], // abs to sqrt
  [0x92, 0x98, 2, 1],
  [0x99, 0x9f, 1, 1],
  [0xa0, 0xa6, 2, 1],
  [0xa7, 0xc4, 1, 1], // conversions, sign extension
  [0xfc00, 0xfc07, 1, 1], // saturating conversions
  [OP.memoryInit, OP.memoryInit, 3, 0],
  [OP.dataDrop, OP.dataDrop, 0, 0],
  [OP.memoryCopy, OP.memoryFill, 3, 0],
];

const EFFECTS = Array.from<Effect | undefined>({ length: CODES });
for (const [first, last, ...effect] of ROWS) EFFECTS.fill(effect, first, last + 1);

export function effectOf(code: number): Effect | undefined {
  return EFFECTS[code];
}
