import { type BinaryReader, BinaryWriter, encodeI32 } from './binary.ts';
import { readInstruction, shifted, type Shift } from './expressions.ts';
import { CALL_COST, costOf } from './instruction-costs.ts';
import {
  codeSet,
  isBranch,
  mapAccess,
  OP,
  readAccess,
  readLabels,
  skipImmediates,
  storedTypeOf,
} from './instructions.ts';
import { Locals } from './locals.ts';
import { PathCost } from './path-cost.ts';
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

const isTableBulk = codeSet([OP.tableInit, OP.tableCopy, OP.tableGrow, OP.tableFill]);
const isMemoryBulk = codeSet([OP.memoryInit, OP.memoryCopy, OP.memoryFill]);
/** Bytes that what is put before a function's code seldom passes. */
const SHORT = 64;
const NO_LABELS: readonly number[] = [];

/** Takes an address from the stack. */
const MARK_PAGE = Uint8Array.from([
  ...[OP.i32Const, MARKED_PAGE_SHIFT, OP.i32ShrU],
  ...[OP.i32Const, 1, OP.i32Store8, ...mapAccess(0, MAP.pages)],
]);
/** After memory.size. */
const SUBTRACT_SLACK = Uint8Array.from([
  ...[OP.i32Const, 0, OP.i32Load, ...mapAccess(2, MAP.slack), OP.i32Sub],
]);

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
 * and long paths
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
  readonly #path = new PathCost();
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
    this.#rewriteCode();
    const entry = this.#isFree ? [] : this.#charge(new BinaryWriter(SHORT)).written;
    const head = new BinaryWriter(SHORT).bytes(this.#locals.encode()).bytes(entry);
    out
      .u32(head.length + this.#code.length)
      .bytes(head.written)
      .bytes(this.#code.written);
  }

  #rewriteCode(): void {
    while (!this.#path.done) {
      const { op, labels } = this.#rewriteInstruction();
      this.#path.follow(op, labels);
      if (op === OP.loop) this.#charge(this.#copyUpTo(this.#reader.position));
    }
    this.#copyUpTo(this.#reader.position);
  }

  /** Answers what it was, and where it may branch to. */
  #rewriteInstruction(): { op: number; labels: readonly number[] } {
    const reader = this.#reader;
    const start = reader.position;
    const { code: op, immediates } = readInstruction(reader, this.#where);
    const { shift, grow } = this.#instruments;
    const storedType = storedTypeOf(op);
    let labels = NO_LABELS;
    if (immediates === 'function' || immediates === 'global') {
      const given = reader.u32();
      const called = op === OP.call || op === OP.returnCall ? this.#costOfCallee(given) : 0;
      const index = shifted(given, immediates === 'function' ? shift.functions : shift.globals);
      this.#spend(start, costOf(op) + called);
      this.#copyUpTo(start).op(op, index);
      this.#copied = reader.position;
    } else if (storedType !== undefined) {
      const offset = readAccess(reader, this.#where);
      if (immediates === 'laneAccess') reader.skip(1);
      this.#spend(start, costOf(op));
      if (this.#marks.next().value === true)
        this.#mark(this.#copyUpTo(start), storedType, markOffset(offset));
    } else {
      this.#spend(start, costOf(op));
      if (isBranch(op)) labels = readLabels(reader, op);
      else skipImmediates(reader, immediates, this.#where);
      if (op === OP.memorySize) this.#copyUpTo(reader.position).bytes(SUBTRACT_SLACK);
      else if (op === OP.memoryGrow) {
        this.#copyUpTo(start).op(OP.call, grow);
        this.#copied = reader.position;
      } else if (isMemoryBulk(op)) this.#touchRange(this.#copyUpTo(start));
      else if (isTableBulk(op)) this.#chargeEntries(this.#copyUpTo(start));
    }
    return { op, labels };
  }

  /** What another module's function does is charged for itself, or is no more than this. */
  #costOfCallee(index: number): number {
    return index < this.#instruments.shift.functions.from ? CALL_COST : (this.#free.get(index) ?? 0);
  }

  /** For the instruction that starts there, before which the path is charged for if it would cost too much with it. */
  #spend(start: number, cost: number): void {
    if (!this.#path.spend(cost)) return;
    const code = this.#copyUpTo(start);
    // The next loop or function to begin sees whether any is left.
    const { fuel } = this.#instruments;
    code.op(OP.globalGet, fuel).bytes([OP.i32Const, 1, OP.i32Sub]).op(OP.globalSet, fuel);
  }

  #copyUpTo(at: number): BinaryWriter {
    this.#reader.copyTo(this.#code, this.#copied, at);
    this.#copied = at;
    return this.#code;
  }

  /** fuel -= 1; if (fuel < 0) spent() */
  #charge(code: BinaryWriter): BinaryWriter {
    const { fuel, spent } = this.#instruments;
    const left = this.#locals.scratch('left', TYPE.i32);
    return code
      .op(OP.globalGet, fuel)
      .bytes([OP.i32Const, 1, OP.i32Sub])
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
