import { type BinaryReader, BinaryWriter, encodeI32, encodeU32 } from './binary.ts';
import { readInstruction, shifted, type Shift } from './expressions.ts';
import { Locals } from './locals.ts';
import { mapAccess, OP, readAccess, skipImmediates, STORES, type Store } from './instructions.ts';
import { MAP, MARKED_PAGE_BYTES, MARKED_PAGE_SHIFT } from './reserved.ts';
import { EMPTY_BLOCK, TYPE } from './types.ts';

/** What rewritten code uses, by its index in the rewritten module. */
export interface Instruments {
  shift: Shift;
  /** The global that holds what is left of the slice. */
  fuel: number;
  /** Functions; see support-functions.ts. */
  spent: number;
  chargeEntries: number;
  touch: number;
  grow: number;
}

/** Instructions whose effect is neither in memory nor in globals, so that rewinding these does not undo it. */
const IRREVERSIBLE: ReadonlyMap<number, string> = new Map([
  [OP.tableSet, 'table.set'],
  [OP.dataDrop, 'data.drop'],
  [OP.tableInit, 'table.init'],
  [OP.elemDrop, 'elem.drop'],
  [OP.tableCopy, 'table.copy'],
  [OP.tableGrow, 'table.grow'],
  [OP.tableFill, 'table.fill'],
]);

const TABLE_BULK: ReadonlySet<number> = new Set([OP.tableInit, OP.tableCopy, OP.tableGrow, OP.tableFill]);
const MEMORY_BULK: ReadonlySet<number> = new Set([OP.memoryInit, OP.memoryCopy, OP.memoryFill]);
const CALLS: ReadonlySet<number> = new Set([OP.call, OP.callIndirect, OP.returnCall, OP.returnCallIndirect]);

/** A charge is one, and one more for each so many instructions up to where the next is made. */
const INSTRUCTIONS_PER_FUEL = 1024;
/** A function that calls nothing and is no longer than this is not charged for at its entry: its callers are. */
const FREE_INSTRUCTIONS = 64;

/** Code that is charged for in one place: a function without its loops, or a loop without those inside it. */
interface Region {
  instructions: number;
  /** Where in the code the amount of a loop's charge stands, to be filled in at its end. */
  amountAt: number;
}

/** Takes an address from the stack. */
const MARK_PAGE = [
  ...[OP.i32Const, MARKED_PAGE_SHIFT, OP.i32ShrU],
  ...[OP.i32Const, 1, OP.i32Store8, ...mapAccess(0, MAP.pages)],
];
/** After memory.size. */
const SUBTRACT_SLACK = [OP.i32Const, 0, OP.i32Load, ...mapAccess(2, MAP.slack), OP.i32Sub];

function amountOf({ instructions }: Region): number {
  return 1 + Math.floor(instructions / INSTRUCTIONS_PER_FUEL);
}

/** Always two bytes, so that it can be filled in: a function has fewer than eight million instructions. */
function encodeAmount(amount: number): number[] {
  return [(amount & 0x7f) | 0x80, amount >> 7];
}

/**
 * Rewrites one function of a module: reads its locals and code, and writes them with their size before them, the entry and loops
 * charged for, stores marking their pages, growth made virtual, indices shifted.
 */
export class FunctionRewriter {
  /** The first instruction that rewinding cannot undo. */
  irreversible: string | undefined;
  readonly #reader: BinaryReader;
  readonly #instruments: Instruments;
  readonly #where: string;
  readonly #locals: Locals;
  readonly #code = new BinaryWriter();
  /** Everything before this was copied from the original. */
  #copied: number;
  #calls = false;

  constructor(reader: BinaryReader, instruments: Instruments, parameters: number, where: string) {
    this.#reader = reader;
    this.#instruments = instruments;
    this.#where = where;
    this.#locals = new Locals(reader, parameters, where);
    this.#copied = reader.position;
  }

  write(out: BinaryWriter): void {
    const whole = this.#rewriteCode();
    const charged = this.#calls || whole.instructions > FREE_INSTRUCTIONS;
    const entry = charged ? this.#charge(amountOf(whole)) : [];
    const head = [...this.#locals.encode(), ...entry];
    out.u32(head.length + this.#code.length);
    out.bytes(head);
    out.bytes(this.#code.written);
  }

  #rewriteCode(): Region {
    const whole: Region = { instructions: 0, amountAt: 0 };
    // A block or an if stands in it as the region that it is part of.
    const open = [whole];
    for (let region: Region | undefined = whole; region; region = open.at(-1)) {
      const op = this.#rewriteInstruction();
      region.instructions += 1;
      if (op === OP.block || op === OP.if) open.push(region);
      else if (op === OP.loop) open.push(this.#chargeLoop());
      else if (op === OP.end) {
        open.pop();
        const loopEnds = region !== whole && open.at(-1) !== region;
        if (loopEnds) this.#code.patch(region.amountAt, encodeAmount(amountOf(region)));
      }
    }
    this.#insertHere([]);
    return whole;
  }

  #rewriteInstruction(): number {
    const reader = this.#reader;
    const start = reader.position;
    const { code: op, immediates } = readInstruction(reader, this.#where);
    const { shift, grow } = this.#instruments;
    if (CALLS.has(op)) this.#calls = true;
    this.irreversible ??= IRREVERSIBLE.get(op);

    const store = STORES.get(op);
    if (immediates === 'function' || immediates === 'global') {
      const index = shifted(reader.u32(), immediates === 'function' ? shift.functions : shift.globals);
      this.#replace(start, [op, ...encodeU32(index)]);
    } else if (store) {
      this.#insert(start, this.#mark(store, readAccess(reader, this.#where)));
      if (immediates === 'laneAccess') reader.skip(1);
    } else {
      skipImmediates(reader, immediates, this.#where);
      if (op === OP.memorySize) this.#insertHere(SUBTRACT_SLACK);
      else if (op === OP.memoryGrow) this.#replace(start, [OP.call, ...encodeU32(grow)]);
      else if (MEMORY_BULK.has(op)) this.#insert(start, this.#touchRange());
      else if (TABLE_BULK.has(op)) this.#insert(start, this.#chargeEntries());
    }
    return op;
  }

  #insert(at: number, bytes: readonly number[]): void {
    this.#code.bytes(this.#reader.between(this.#copied, at));
    this.#code.bytes(bytes);
    this.#copied = at;
  }

  #insertHere(bytes: readonly number[]): void {
    this.#insert(this.#reader.position, bytes);
  }

  #replace(start: number, bytes: readonly number[]): void {
    this.#insert(start, bytes);
    this.#copied = this.#reader.position;
  }

  #chargeLoop(): Region {
    const charge = this.#charge(1);
    this.#insertHere(charge);
    const beforeAmount = [OP.globalGet, ...encodeU32(this.#instruments.fuel), OP.i32Const].length;
    return { instructions: 0, amountAt: this.#code.length - charge.length + beforeAmount };
  }

  /** fuel -= amount; if (fuel < 0) spent() */
  #charge(amount: number): number[] {
    const { fuel, spent } = this.#instruments;
    const left = this.#locals.scratch('left', TYPE.i32);
    return [
      ...[OP.globalGet, ...encodeU32(fuel), OP.i32Const, ...encodeAmount(amount), OP.i32Sub],
      ...[OP.localTee, ...left, OP.globalSet, ...encodeU32(fuel)],
      ...[OP.localGet, ...left, OP.i32Const, 0, OP.i32LtS],
      ...[OP.if, EMPTY_BLOCK, OP.call, ...encodeU32(spent), OP.end],
    ];
  }

  /**
   * Before a store, whose address and value are on the stack and stay there: marks the page of the first byte, and that of the last
   * where it is another. An address outside of the memory wraps and marks a page that the store does not touch, or one that the map
   * does not have: either the mark or the store traps, as the store alone would have.
   */
  #mark({ bytes, type }: Store, offset: number): number[] {
    const address = [OP.localGet, ...this.#locals.scratch('address', TYPE.i32)];
    const value = [OP.localGet, ...this.#locals.scratch(`value ${type}`, type)];
    const plus = (number: number): number[] =>
      number === 0 ? address : [...address, OP.i32Const, ...encodeI32(number), OP.i32Add];
    const straddles = [
      ...[...plus(offset), OP.i32Const, ...encodeI32(MARKED_PAGE_BYTES - 1), OP.i32And],
      ...[OP.i32Const, ...encodeI32(MARKED_PAGE_BYTES - bytes), OP.i32GtU],
    ];
    const last = [...straddles, OP.if, EMPTY_BLOCK, ...plus(offset + bytes - 1), ...MARK_PAGE, OP.end];
    const [, ...addressIndex] = address;
    const [, ...valueIndex] = value;
    return [
      ...[OP.localSet, ...valueIndex, OP.localSet, ...addressIndex],
      ...[...plus(offset), ...MARK_PAGE, ...(bytes > 1 ? last : [])],
      ...[...address, ...value],
    ];
  }

  /** Before memory.fill, copy and init, whose operands are where to, something, and how many bytes. */
  #touchRange(): number[] {
    const [to, something, length] = ['address', 'value 127', 'length'].map((purpose) =>
      this.#locals.scratch(purpose, TYPE.i32),
    ) as [number[], number[], number[]];
    return [
      ...[OP.localSet, ...length, OP.localSet, ...something, OP.localTee, ...to, OP.localGet, ...length],
      ...[OP.call, ...encodeU32(this.#instruments.touch)],
      ...[OP.localGet, ...to, OP.localGet, ...something, OP.localGet, ...length],
    ];
  }

  /** Before the bulk instructions of tables, whose last operand is how many entries. */
  #chargeEntries(): number[] {
    const length = this.#locals.scratch('length', TYPE.i32);
    return [
      ...[OP.localTee, ...length, OP.localGet, ...length],
      ...[OP.call, ...encodeU32(this.#instruments.chargeEntries)],
    ];
  }
}
