import { type BinaryReader, BinaryWriter, encodeI32 } from './binary.ts';
import { readInstruction, shifted, type Shift } from './expressions.ts';
import { FREE_INSTRUCTIONS } from './free-functions.ts';
import { Locals } from './locals.ts';
import { mapAccess, OP, readAccess, skipImmediates, STORES } from './instructions.ts';
import { MAP, MARKED_PAGE_SHIFT } from './reserved.ts';
import { findStoresToMark, markOffset, type Arities } from './store-marks.ts';
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

const TABLE_BULK: ReadonlySet<number> = new Set([OP.tableInit, OP.tableCopy, OP.tableGrow, OP.tableFill]);
const MEMORY_BULK: ReadonlySet<number> = new Set([OP.memoryInit, OP.memoryCopy, OP.memoryFill]);
const INDIRECT_CALLS: ReadonlySet<number> = new Set([OP.callIndirect, OP.returnCallIndirect]);

/**
 * A charge is one, and one more for each so many instructions up to where the next is made. Not fewer: of the loop that an interpreter
 * is, with all its opcodes, one turn runs a few.
 */
const INSTRUCTIONS_PER_FUEL = 1024;

/** Code that is charged for in one place: a function without its loops, or a loop without those inside it. */
interface Region {
  /** With those of functions it calls that are not charged for themselves. */
  instructions: number;
  /** Where in the code the amount of a loop's charge stands, to be filled in at its end. */
  amountAt: number;
}

/** Takes an address from the stack. */
const MARK_PAGE = Uint8Array.from([
  ...[OP.i32Const, MARKED_PAGE_SHIFT, OP.i32ShrU],
  ...[OP.i32Const, 1, OP.i32Store8, ...mapAccess(0, MAP.pages)],
]);
/** After memory.size. */
const SUBTRACT_SLACK = Uint8Array.from([
  ...[OP.i32Const, 0, OP.i32Load, ...mapAccess(2, MAP.slack), OP.i32Sub],
]);

function amountOf({ instructions }: Region): number {
  return 1 + Math.floor(instructions / INSTRUCTIONS_PER_FUEL);
}

/** Always three bytes, so that it can be filled in: no function is charged for a hundred million instructions. */
function encodeAmount(amount: number): number[] {
  const most = Math.min(amount, 2 ** 20 - 1);
  return [(most & 0x7f) | 0x80, ((most >> 7) & 0x7f) | 0x80, most >> 14];
}

export interface FunctionFacts {
  index: number;
  parameters: number;
  arities: Arities;
  /** What findFreeFunctions found. */
  free: ReadonlyMap<number, number>;
  /** For messages. */
  where: string;
}

/**
 * Rewrites one function of a module: reads its locals and code, and writes them with their size before them, the entry and loops
 * charged for, stores marking their pages, growth made virtual, indices shifted.
 */
export class FunctionRewriter {
  readonly #reader: BinaryReader;
  readonly #instruments: Instruments;
  readonly #where: string;
  readonly #free: ReadonlyMap<number, number>;
  readonly #isFree: boolean;
  readonly #locals: Locals;
  readonly #code: BinaryWriter;
  /** For each store in order, whether it marks. */
  readonly #marks: Iterator<boolean, undefined>;
  /** Everything before this was copied from the original. */
  #copied: number;

  /** `scratch` is written over. */
  constructor(
    reader: BinaryReader,
    scratch: BinaryWriter,
    instruments: Instruments,
    { index, parameters, arities, free, where }: FunctionFacts,
  ) {
    this.#reader = reader;
    this.#instruments = instruments;
    this.#where = where;
    this.#free = free;
    this.#isFree = free.has(index);
    this.#code = scratch.clear();
    this.#locals = new Locals(reader, parameters, where);
    this.#copied = reader.position;
    this.#marks = findStoresToMark(reader, this.#copied, arities, where).values();
    reader.goTo(this.#copied);
  }

  write(out: BinaryWriter): void {
    const whole = this.#rewriteCode();
    const head = new BinaryWriter();
    const entry = this.#isFree ? [] : this.#charge(new BinaryWriter(), amountOf(whole)).written;
    head.bytes(this.#locals.encode()).bytes(entry);
    out
      .u32(head.length + this.#code.length)
      .bytes(head.written)
      .bytes(this.#code.written);
  }

  #rewriteCode(): Region {
    const whole: Region = { instructions: 0, amountAt: 0 };
    // A block or an if stands in it as the region that it is part of.
    const open = [whole];
    for (let region: Region | undefined = whole; region; region = open.at(-1)) {
      const op = this.#rewriteInstruction(region);
      region.instructions += 1;
      if (op === OP.block || op === OP.if) open.push(region);
      else if (op === OP.loop) open.push(this.#chargeLoop());
      else if (op === OP.end) {
        open.pop();
        const loopEnds = region !== whole && open.at(-1) !== region;
        if (loopEnds) this.#code.patch(region.amountAt, encodeAmount(amountOf(region)));
      }
    }
    this.#copyUpTo(this.#reader.position);
    return whole;
  }

  #rewriteInstruction(region: Region): number {
    const reader = this.#reader;
    const start = reader.position;
    const { code: op, immediates } = readInstruction(reader, this.#where);
    const { shift, grow } = this.#instruments;
    const storedType = STORES.get(op);
    if (immediates === 'function' || immediates === 'global') {
      const given = reader.u32();
      if (op !== OP.refFunc && immediates === 'function') region.instructions += this.#costOf(given);
      const index = shifted(given, immediates === 'function' ? shift.functions : shift.globals);
      this.#copyUpTo(start).op(op, index);
      this.#copied = reader.position;
    } else if (storedType !== undefined) {
      const offset = readAccess(reader, this.#where);
      if (immediates === 'laneAccess') reader.skip(1);
      if (this.#marks.next().value === true)
        this.#mark(this.#copyUpTo(start), storedType, markOffset(offset));
    } else {
      skipImmediates(reader, immediates, this.#where);
      if (INDIRECT_CALLS.has(op)) region.instructions += FREE_INSTRUCTIONS;
      if (op === OP.memorySize) this.#copyUpTo(reader.position).bytes(SUBTRACT_SLACK);
      else if (op === OP.memoryGrow) {
        this.#copyUpTo(start).op(OP.call, grow);
        this.#copied = reader.position;
      } else if (MEMORY_BULK.has(op)) this.#touchRange(this.#copyUpTo(start));
      else if (TABLE_BULK.has(op)) this.#chargeEntries(this.#copyUpTo(start));
    }
    return op;
  }

  /** Of a call of a function. What another module's does is charged for itself, or is no more than this. */
  #costOf(index: number): number {
    return index < this.#instruments.shift.functions.from ? FREE_INSTRUCTIONS : (this.#free.get(index) ?? 0);
  }

  #copyUpTo(at: number): BinaryWriter {
    this.#reader.copyTo(this.#code, this.#copied, at);
    this.#copied = at;
    return this.#code;
  }

  #chargeLoop(): Region {
    const start = this.#copyUpTo(this.#reader.position).length;
    const beforeAmount = new BinaryWriter().op(OP.globalGet, this.#instruments.fuel).byte(OP.i32Const).length;
    this.#charge(this.#code, 1);
    return { instructions: 0, amountAt: start + beforeAmount };
  }

  /** fuel -= amount; if (fuel < 0) spent() */
  #charge(code: BinaryWriter, amount: number): BinaryWriter {
    const { fuel, spent } = this.#instruments;
    const left = this.#locals.scratch('left', TYPE.i32);
    return code
      .op(OP.globalGet, fuel)
      .byte(OP.i32Const)
      .bytes(encodeAmount(amount))
      .byte(OP.i32Sub)
      .op(OP.localTee, left)
      .op(OP.globalSet, fuel)
      .op(OP.localGet, left)
      .bytes([OP.i32Const, 0, OP.i32LtS, OP.if, EMPTY_BLOCK])
      .op(OP.call, spent)
      .byte(OP.end);
  }

  /**
   * Before a store, whose address and value are on the stack and stay there: marks the page that is `offset` from there. An address
   * outside of the memory wraps and marks a page that the store does not touch, or one that the map does not have: either the mark or the store
   * traps, as the store alone would have.
   */
  #mark(code: BinaryWriter, valueType: number, offset: number): void {
    const address = this.#locals.scratch('address', TYPE.i32);
    const value = this.#locals.scratch(`value ${valueType}`, valueType);
    code.op(OP.localSet, value).op(OP.localTee, address);
    if (offset !== 0) code.byte(OP.i32Const).bytes(encodeI32(offset)).byte(OP.i32Add);
    code.bytes(MARK_PAGE).op(OP.localGet, address).op(OP.localGet, value);
  }

  /** Before memory.fill, copy and init, whose operands are where to, something, and how many bytes. */
  #touchRange(code: BinaryWriter): void {
    const to = this.#locals.scratch('address', TYPE.i32);
    const something = this.#locals.scratch(`value ${TYPE.i32}`, TYPE.i32);
    const length = this.#locals.scratch('length', TYPE.i32);
    code.op(OP.localSet, length).op(OP.localSet, something).op(OP.localTee, to).op(OP.localGet, length);
    code.op(OP.call, this.#instruments.touch);
    code.op(OP.localGet, to).op(OP.localGet, something).op(OP.localGet, length);
  }

  /** Before the bulk instructions of tables, whose last operand is how many entries. */
  #chargeEntries(code: BinaryWriter): void {
    const length = this.#locals.scratch('length', TYPE.i32);
    code.op(OP.localTee, length).op(OP.localGet, length).op(OP.call, this.#instruments.chargeEntries);
  }
}
