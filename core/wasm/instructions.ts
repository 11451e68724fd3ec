import { encodeU32, type BinaryReader } from './binary.ts';
import { checkValueType, EMPTY_BLOCK, readValueType, TYPE, unsupported } from './types.ts';

/** What follows an opcode in the binary. */
export type Immediates =
  | 'none'
  | 'number' // one LEB128 number: a label, a local, a table, a segment, an integer
  | 'numbers' // two of them
  | 'function' // a function's index
  | 'global' // a global's index
  | 'block' // the type of a block
  | 'heapType' // of ref.null
  | 'labels' // br_table
  | 'types' // select with types
  | 'access' // alignment and offset of a load or store
  | 'laneAccess' // the same and a lane
  | 'lane'
  | 'four' // so many bytes
  | 'eight'
  | 'sixteen';

/** A code is the opcode, or prefix * 256 + number for those behind a prefix. */
export const OP = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  brTable: 0x0e,
  return: 0x0f,
  call: 0x10,
  callIndirect: 0x11,
  returnCall: 0x12,
  returnCallIndirect: 0x13,
  drop: 0x1a,
  select: 0x1b,
  selectTyped: 0x1c,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  globalGet: 0x23,
  globalSet: 0x24,
  tableSet: 0x26,
  i32Load: 0x28,
  i64Load: 0x29,
  i32Load8U: 0x2d,
  i32Store: 0x36,
  i32Store8: 0x3a,
  memorySize: 0x3f,
  memoryGrow: 0x40,
  i32Const: 0x41,
  i64Const: 0x42,
  f32Const: 0x43,
  f64Const: 0x44,
  i32Eqz: 0x45,
  i32Eq: 0x46,
  i32Ne: 0x47,
  i32LtS: 0x48,
  i32LtU: 0x49,
  i32GtU: 0x4b,
  i32GeU: 0x4f,
  i64Eqz: 0x50,
  i64LtU: 0x54,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32And: 0x71,
  i32Shl: 0x74,
  i32ShrU: 0x76,
  i64Add: 0x7c,
  i64ExtendI32U: 0xad,
  refNull: 0xd0,
  refFunc: 0xd2,
  memoryInit: 0xfc08,
  dataDrop: 0xfc09,
  memoryCopy: 0xfc0a,
  memoryFill: 0xfc0b,
  tableInit: 0xfc0c,
  elemDrop: 0xfc0d,
  tableCopy: 0xfc0e,
  tableGrow: 0xfc0f,
  tableFill: 0xfc11,
} as const;

/** All codes that are allowed are below it. */
export const CODES = 0xfe00;

/** Codes to be told from others, for each instruction of a module: a set takes longer than all else that is done with most. */
export function codeSet(codes: Iterable<number>): (code: number) => boolean {
  const is = new Uint8Array(CODES);
  for (const code of codes) is[code] = 1;
  return (code) => is[code] === 1;
}

const STORED_TYPES = new Map<number, number>([
  [0x36, TYPE.i32],
  [0x37, TYPE.i64],
  [0x38, TYPE.f32],
  [0x39, TYPE.f64],
  [0x3a, TYPE.i32], // i32.store8
  [0x3b, TYPE.i32],
  [0x3c, TYPE.i64], // i64.store8
  [0x3d, TYPE.i64],
  [0x3e, TYPE.i64],
  [0xfd0b, TYPE.v128],
  [0xfd58, TYPE.v128], // v128.store8_lane
  [0xfd59, TYPE.v128],
  [0xfd5a, TYPE.v128],
  [0xfd5b, TYPE.v128],
]);

export const isStore = codeSet(STORED_TYPES.keys());

/** Of a store, the type of the value that it takes from the stack. */
export function storedTypeOf(code: number): number | undefined {
  return isStore(code) ? STORED_TYPES.get(code) : undefined;
}

/** Numbers behind 0xfd that version 2 of the specification leaves free. */
const UNUSED_VECTOR = new Set([
  0x9a, 0xa2, 0xa5, 0xa6, 0xaf, 0xb0, 0xb2, 0xb3, 0xb4, 0xbb, 0xc2, 0xc5, 0xc6, 0xcf, 0xd0, 0xd2, 0xd3, 0xd4,
  0xe2, 0xee,
]);

/** This bit of an access's alignment says that a memory's index follows. */
const NAMES_A_MEMORY = 0x40;

type Row = readonly [first: number, last: number, immediates: Immediates];

/**
 * Every instruction the platform runs: WebAssembly 2.0 (with SIMD) and tail calls. It is what compilers to components emit, and all
 * of it can be counted and undone.
 */
const ALLOWED: readonly Row[] = [
  [0x00, 0x01, 'none'], // unreachable, nop
  [0x02, 0x04, 'block'], // block, loop, if
  [0x05, 0x05, 'none'], // else
  [0x0b, 0x0b, 'none'], // end
  [0x0c, 0x0d, 'number'], // br, br_if
  [0x0e, 0x0e, 'labels'],
  [0x0f, 0x0f, 'none'], // return
  [0x10, 0x10, 'function'], // call
  [0x11, 0x11, 'numbers'], // call_indirect
  [0x12, 0x12, 'function'], // return_call
  [0x13, 0x13, 'numbers'], // return_call_indirect
  [0x1a, 0x1b, 'none'], // drop, select
  [0x1c, 0x1c, 'types'],
  [0x20, 0x22, 'number'], // local.get, set, tee
  [0x23, 0x24, 'global'],
  [0x25, 0x26, 'number'], // table.get, set
  [0x28, 0x3e, 'access'], // loads and stores
  [0x3f, 0x42, 'number'], // memory.size, memory.grow, i32.const, i64.const
  [0x43, 0x43, 'four'], // f32.const
  [0x44, 0x44, 'eight'], // f64.const
  [0x45, 0xc4, 'none'], // numeric, with sign extension
  [0xd0, 0xd0, 'heapType'], // ref.null
  [0xd1, 0xd1, 'none'], // ref.is_null
  [0xd2, 0xd2, 'function'], // ref.func
  [0xfc00, 0xfc07, 'none'], // saturating conversions
  [0xfc08, 0xfc08, 'numbers'], // memory.init
  [0xfc09, 0xfc09, 'number'], // data.drop
  [0xfc0a, 0xfc0a, 'numbers'], // memory.copy
  [0xfc0b, 0xfc0b, 'number'], // memory.fill
  [0xfc0c, 0xfc0c, 'numbers'], // table.init
  [0xfc0d, 0xfc0d, 'number'], // elem.drop
  [0xfc0e, 0xfc0e, 'numbers'], // table.copy
  [0xfc0f, 0xfc11, 'number'], // table.grow, size, fill
  [0xfd00, 0xfd0b, 'access'], // vector loads, v128.store
  [0xfd0c, 0xfd0d, 'sixteen'], // v128.const, i8x16.shuffle
  [0xfd0e, 0xfd14, 'none'], // swizzle, splat
  [0xfd15, 0xfd22, 'lane'], // extract_lane, replace_lane
  [0xfd23, 0xfd53, 'none'],
  [0xfd54, 0xfd5b, 'laneAccess'],
  [0xfd5c, 0xfd5d, 'access'], // v128.load32_zero, load64_zero
  [0xfd5e, 0xfdff, 'none'],
];

const REFUSED: readonly (readonly [first: number, last: number, proposal: string])[] = [
  [0x06, 0x0a, 'exception handling'],
  [0x14, 0x15, 'typed function references'],
  [0x18, 0x19, 'exception handling'],
  [0x1f, 0x1f, 'exception handling'],
  [0xd3, 0xd3, 'garbage collection'],
  [0xd4, 0xd6, 'typed function references'],
  [0xe0, 0xe6, 'stack switching'],
  [0xfb00, 0xfbff, 'garbage collection'],
  [0xfc13, 0xfc16, 'wide arithmetic'],
  [0xfd100, 0xfd1ff, 'relaxed SIMD'],
  [0xfe00, 0xfeff, 'threads'],
];

const BY_CODE = Array.from<Immediates | undefined>({ length: CODES });
for (const [first, last, immediates] of ALLOWED) {
  for (let code = first; code <= last; code += 1) {
    if (code >> 8 !== 0xfd || !UNUSED_VECTOR.has(code & 0xff)) BY_CODE[code] = immediates;
  }
}

/** Undefined for an instruction that is not on the list. */
export function immediatesOf(code: number): Immediates | undefined {
  return BY_CODE[code];
}

export function proposalOf(code: number): string | undefined {
  return REFUSED.find(([first, last]) => code >= first && code <= last)?.[2];
}

export function readCode(reader: BinaryReader): number {
  const byte = reader.byte();
  if (byte < 0xfb || byte === 0xff) return byte;
  const number = reader.u32();
  return number < 0x100 ? byte * 0x100 + number : byte * 0x1000 + number;
}

/** As a disassembler would show it. */
export function formatCode(code: number): string {
  const hex = (value: number): string => `0x${value.toString(16).padStart(2, '0')}`;
  if (code < 0x100) return hex(code);
  const [prefix, number] = code < 0x10000 ? [code >> 8, code & 0xff] : [code >> 12, code & 0xfff];
  return `${hex(prefix)} ${hex(number)}`;
}

/**
 * Goes past what follows the opcode, for those that need no change. Throws COMPONENT_INVALID for types and memories that the
 * platform does not run; `where` is for its message.
 */
export function skipImmediates(reader: BinaryReader, immediates: Immediates, where: string): void {
  switch (immediates) {
    case 'none':
      break;
    case 'number':
    case 'function':
    case 'global':
      reader.skipNumber();
      break;
    case 'numbers':
      reader.skipNumber();
      reader.skipNumber();
      break;
    case 'access':
      readAccess(reader, where);
      break;
    case 'laneAccess':
      readAccess(reader, where);
      reader.skip(1);
      break;
    case 'block':
      skipBlockType(reader, where);
      break;
    case 'heapType':
      readValueType(reader, where);
      break;
    case 'labels':
      for (let left = reader.count(); left >= 0; left -= 1) reader.skipNumber();
      break;
    case 'types':
      for (let left = reader.count(); left > 0; left -= 1) readValueType(reader, where);
      break;
    case 'lane':
      reader.skip(1);
      break;
    case 'four':
      reader.skip(4);
      break;
    case 'eight':
      reader.skip(8);
      break;
    case 'sixteen':
      reader.skip(16);
      break;
  }
}

/** The offset of a load or store. */
export function readAccess(reader: BinaryReader, where: string): number {
  if (reader.u32() >= NAMES_A_MEMORY) throw unsupported('multi-memory', where);
  return reader.u32();
}

/** What comes after is reached from elsewhere, or not at all. */
export const endsFlow = codeSet([
  ...[OP.unreachable, OP.br, OP.brTable, OP.return, OP.returnCall, OP.returnCallIndirect],
]);

export function isBranch(code: number): boolean {
  return code === OP.br || code === OP.brIf || code === OP.brTable;
}

/** What a branch names, each counted from the innermost block outwards. */
export function readLabels(reader: BinaryReader, code: number): number[] {
  if (code !== OP.brTable) return [reader.u32()];
  return Array.from({ length: reader.count() + 1 }, () => reader.u32());
}

/** Nothing, one value type, or the index of a type, of which the first byte tells. */
function skipBlockType(reader: BinaryReader, where: string): void {
  const first = reader.byte();
  if (first >= 0x80) reader.skipNumber();
  else if (first > EMPTY_BLOCK) checkValueType(first, where);
}

/** How many results the block has that begins here; undefined for one whose type is listed: it may have parameters. */
export function readBlockResults(reader: BinaryReader): number | undefined {
  const first = reader.byte();
  if (first === EMPTY_BLOCK) return 0;
  if (first > EMPTY_BLOCK && first < 0x80) return 1;
  if (first >= 0x80) reader.skipNumber();
  return undefined;
}

/** The map is the second memory of a module. */
const MAP_MEMORY = 1;

/** Operands of a load or store in the map. */
export function mapAccess(alignment: number, offset: number): number[] {
  return [alignment | NAMES_A_MEMORY, MAP_MEMORY, ...encodeU32(offset)];
}

/** memory.fill in the map. */
export const FILL_MAP = [0xfc, 0x0b, MAP_MEMORY];
