import { CODES, OP } from './instructions.ts';

/** Of a call of which nothing else is known. A function that costs no more in all is not charged for at its entry. */
export const CALL_COST = 64;

type Row = readonly [first: number, last: number, cost: number];

/** What does not cost one: chosen so that a slice of the dearest takes tens of milliseconds, but for loads (docs/decisions/0020). */
const ROWS: readonly Row[] = [
  [OP.block, OP.loop, 0], // become no code by themselves, and an interpreter has hundreds of blocks around its switch
  [OP.else, OP.else, 0],
  [OP.end, OP.end, 0],
  [OP.callIndirect, OP.callIndirect, 1 + CALL_COST],
  [OP.returnCallIndirect, OP.returnCallIndirect, 1 + CALL_COST],
  [0x25, 0x25, 8], // table.get
  [OP.tableSet, OP.tableSet, 32],
  [0x28, 0x3e, 2], // loads and stores, which may wait for memory each
  [OP.memoryGrow, OP.memoryGrow, CALL_COST],
  [0x6d, 0x70, 8], // i32.div and rem
  [0x7f, 0x82, 8], // i64.div and rem
  [0x91, 0x91, 8], // f32.sqrt
  [0x95, 0x95, 8], // f32.div
  [0x9f, 0x9f, 8], // f64.sqrt
  [0xa3, 0xa3, 8], // f64.div
  [OP.refFunc, OP.refFunc, 32],
  [OP.memoryInit, OP.tableGrow, CALL_COST], // beside what they take by length
  [OP.tableFill, OP.tableFill, CALL_COST],
  [0xfd00, 0xfd0b, 2], // loads and stores of vectors
  [0xfd54, 0xfd5d, 2],
  [0xfde3, 0xfde3, 8], // f32x4.sqrt
  [0xfde7, 0xfde7, 8], // f32x4.div
  [0xfdef, 0xfdef, 8], // f64x2.sqrt
  [0xfdf3, 0xfdf3, 8], // f64x2.div
];

const COSTS = new Uint8Array(CODES).fill(1);
for (const [first, last, cost] of ROWS) COSTS.fill(cost, first, last + 1);

/** In simple instructions, without what a function that is called by its index does. */
export function costOf(code: number): number {
  return COSTS[code] ?? 1;
}
