import type { BinaryReader } from './binary.ts';
import { readInstruction } from './expressions.ts';
import { endsFlow, isStore, OP, readAccess, readBlockResults, skipImmediates } from './instructions.ts';
import { effectOf } from './operands.ts';
import { MARK_REACH } from './reserved.ts';
import { type Arity } from './types.ts';

/** Of functions by their index, and of types by theirs. */
export interface Arities {
  ofFunction: (index: number) => Arity | undefined;
  ofType: (index: number) => Arity | undefined;
}

/** A value of which nothing is known; any other number is a name that stands for one value, wherever it is held. */
const UNKNOWN = 0;

interface Block {
  op: number;
  /** What lies below it on the stack. */
  below: number[];
  leaves: number;
  /** How many marks were known when it began. */
  marks: number;
  /** Locals that were set in it. */
  set: Set<number>;
}

/** Of marks from one address: offsets have 32 bits. Names are fewer than bytes of code, so a mark is an exact number. */
const PLACES = 2 ** 32 / MARK_REACH;

/** Where the mark of a store stands, from its address without the offset. The mark reaches MARK_REACH bytes from there. */
export function markOffset(offset: number): number {
  return offset - (offset % MARK_REACH);
}

/**
 * Tells for each store of a function, in order, whether it must mark. It need not where code that always runs before it in the same
 * call of the function has marked the same place of the same address: no mark is taken back while a guest computes. `code` begins after the
 * locals.
 */
export function findStoresToMark(
  code: BinaryReader,
  start: number,
  arities: Arities,
  where: string,
): boolean[] {
  const loops = findLocalsSetInLoops(code, where);
  code.goTo(start);
  return new StoreMarks(arities, loops).read(code, where);
}

/** By loop, in the order in which they begin. */
function findLocalsSetInLoops(code: BinaryReader, where: string): ReadonlySet<number>[] {
  const loops: Set<number>[] = [];
  const open: Set<number>[] = [new Set()];
  while (open.length > 0) {
    const { code: op, immediates } = readInstruction(code, where);
    const current = open.at(-1) ?? new Set();
    if (op === OP.localSet || op === OP.localTee) current.add(code.u32());
    else skipImmediates(code, immediates, where);
    if (op === OP.loop) {
      const own = new Set<number>();
      loops.push(own);
      open.push(own);
    } else if (op === OP.block || op === OP.if) open.push(current);
    else if (op === OP.end) {
      open.pop();
      const outer = open.at(-1);
      if (outer && outer !== current) for (const local of current) outer.add(local);
    }
  }
  return loops;
}

class StoreMarks {
  readonly #arities: Arities;
  readonly #loops: readonly ReadonlySet<number>[];
  #loopsBegun = 0;
  #lastName = UNKNOWN;
  #stack: number[] = [];
  readonly #locals = new Map<number, number>();
  readonly #constants = new Map<number, number>();
  readonly #marked = new Set<number>();
  /** Those, in the order in which they came to be. */
  readonly #marks: number[] = [];
  readonly #open: Block[] = [];
  readonly #found: boolean[] = [];

  constructor(arities: Arities, loops: readonly ReadonlySet<number>[]) {
    this.#arities = arities;
    this.#loops = loops;
  }

  read(code: BinaryReader, where: string): boolean[] {
    this.#begin(OP.block, 0);
    while (this.#open.length > 0) {
      const { code: op, immediates } = readInstruction(code, where);
      if (isStore(op)) {
        this.#store(readAccess(code, where));
        if (immediates === 'laneAccess') code.skip(1);
      } else if (!this.#readKnown(op, code)) {
        skipImmediates(code, immediates, where);
        this.#apply(op);
      }
    }
    return this.#found;
  }

  /** Instructions whose immediates matter. */
  #readKnown(op: number, code: BinaryReader): boolean {
    switch (op) {
      case OP.localGet:
        this.#stack.push(this.#local(code.u32()));
        return true;
      case OP.localSet:
      case OP.localTee: {
        const local = code.u32();
        const held = this.#stack.pop() ?? UNKNOWN;
        const name = held === UNKNOWN ? this.#newName() : held;
        this.#locals.set(local, name);
        this.#open.at(-1)?.set.add(local);
        if (op === OP.localTee) this.#stack.push(name);
        return true;
      }
      case OP.i32Const:
        this.#stack.push(this.#constant(code.i32()));
        return true;
      case OP.call:
        this.#call(this.#arities.ofFunction(code.u32()));
        return true;
      case OP.callIndirect:
        this.#stack.pop();
        this.#call(this.#arities.ofType(code.u32()));
        code.skipNumber();
        return true;
      case OP.block:
      case OP.loop:
      case OP.if:
        if (op === OP.if) this.#stack.pop();
        this.#begin(op, readBlockResults(code));
        return true;
      default:
        return false;
    }
  }

  #apply(op: number): void {
    const effect = effectOf(op);
    if (op === OP.end) this.#end();
    else if (op === OP.else) this.#forget(this.#open.at(-1));
    else if (endsFlow(op) || !effect) this.#stack = [];
    else this.#take(...effect);
  }

  #store(offset: number): void {
    this.#stack.pop();
    const address = this.#stack.pop() ?? UNKNOWN;
    const mark = address * PLACES + markOffset(offset) / MARK_REACH;
    const isMarked = address !== UNKNOWN && this.#marked.has(mark);
    this.#found.push(!isMarked);
    if (isMarked || address === UNKNOWN) return;
    this.#marked.add(mark);
    this.#marks.push(mark);
  }

  #begin(op: number, leaves: number | undefined): void {
    // Of a block with parameters nothing is known, nor of what lies below it.
    const below = leaves === undefined ? [] : this.#stack;
    this.#open.push({ op, below, leaves: leaves ?? 0, marks: this.#marks.length, set: new Set() });
    this.#stack = [];
    if (op !== OP.loop) return;
    const set = this.#loops[this.#loopsBegun];
    this.#loopsBegun += 1;
    for (const local of set ?? []) this.#locals.delete(local);
  }

  #end(): void {
    const block = this.#open.pop();
    if (!block) return;
    const outer = this.#open.at(-1);
    for (const local of block.set) outer?.set.add(local);
    // Behind a loop comes only what went through it to its end; behind any other block, also what left it early.
    if (block.op !== OP.loop) this.#forget(block);
    this.#stack = block.below;
    this.#take(0, block.leaves);
  }

  /** What a block did may not have been done. */
  #forget(block: Block | undefined): void {
    if (!block) return;
    for (const mark of this.#marks.splice(block.marks)) this.#marked.delete(mark);
    for (const local of block.set) this.#locals.delete(local);
    this.#stack = [];
  }

  #call(arity: Arity | undefined): void {
    if (arity) this.#take(arity.parameters, arity.results);
    else this.#stack = [];
  }

  #take(takes: number, leaves: number): void {
    for (let left = takes; left > 0; left -= 1) this.#stack.pop();
    for (let left = leaves; left > 0; left -= 1) this.#stack.push(UNKNOWN);
  }

  #local(local: number): number {
    const name = this.#locals.get(local) ?? this.#newName();
    this.#locals.set(local, name);
    return name;
  }

  #constant(value: number): number {
    const name = this.#constants.get(value) ?? this.#newName();
    this.#constants.set(value, name);
    return name;
  }

  #newName(): number {
    this.#lastName += 1;
    return this.#lastName;
  }
}
