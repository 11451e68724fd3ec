import { endsFlow, OP } from './instructions.ts';

/** What may be run between two charges. */
const MAXIMUM_UNCHARGED = 128;

/** Less than what any path costs, and stays so whatever is added. */
const UNREACHABLE = -Infinity;

/** A block, and what the costliest path cost that comes to its end by a branch, or past it. */
interface Block {
  op: number;
  atEnd: number;
  /** Of an `if`, until its `else`: what the path cost up to it. */
  atElse: number;
}

/**
 * What has been run since the last charge, followed through the code of one function: of all paths that lead to an instruction, the costliest.
 * So every path is charged for, and a switch with hundreds of cases for none but the one that runs.
 */
export class PathCost {
  #cost = 0;
  /** The function's body is the outermost. */
  readonly #open: Block[] = [{ op: OP.block, atEnd: UNREACHABLE, atElse: UNREACHABLE }];

  /** The last instruction was the function's end. */
  get done(): boolean {
    return this.#open.length === 0;
  }

  /** Of the next instruction. Answers whether the path must be charged for before it. */
  spend(cost: number): boolean {
    this.#cost += cost;
    if (this.#cost <= MAXIMUM_UNCHARGED) return false;
    this.#cost = cost;
    return true;
  }

  /** After an instruction; `labels` are where it may branch to. The head of a loop is charged for. */
  follow(op: number, labels: readonly number[]): void {
    for (const label of labels) this.#branch(this.#open.at(-1 - label));
    if (endsFlow(op)) this.#cost = UNREACHABLE;
    else if (op === OP.block || op === OP.loop || op === OP.if) this.#begin(op);
    else if (op === OP.else) this.#beginElse(this.#open.at(-1));
    else if (op === OP.end) this.#end(this.#open.pop());
  }

  #begin(op: number): void {
    this.#open.push({ op, atEnd: UNREACHABLE, atElse: op === OP.if ? this.#cost : UNREACHABLE });
    if (op === OP.loop) this.#cost = 0;
  }

  #branch(to: Block | undefined): void {
    if (to && to.op !== OP.loop) to.atEnd = Math.max(to.atEnd, this.#cost);
  }

  #beginElse(block: Block | undefined): void {
    if (!block) return;
    block.atEnd = Math.max(block.atEnd, this.#cost);
    this.#cost = block.atElse;
    block.atElse = UNREACHABLE;
  }

  #end(block: Block | undefined): void {
    if (block) this.#cost = Math.max(this.#cost, block.atEnd, block.atElse);
  }
}
