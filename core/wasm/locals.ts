import { type BinaryReader, encodeU32 } from './binary.ts';
import { readValueType } from './types.ts';

/** The declarations that a function begins with: groups of locals of one type, from `start` on, and how many locals these are. */
export function readLocals(
  reader: BinaryReader,
  where: string,
): { groups: number; start: number; count: number } {
  const groups = reader.count();
  const start = reader.position;
  let count = 0;
  for (let left = groups; left > 0; left -= 1) {
    count += reader.u32();
    readValueType(reader, where);
  }
  return { groups, start, count };
}

/** The locals of a function, and those added after them: one for each purpose and function, made when first asked for. */
export class Locals {
  readonly #groups: number;
  /** The declarations as they were. */
  readonly #declared: Uint8Array;
  readonly #first: number;
  readonly #added: number[] = [];
  readonly #indices = new Map<string, number>();

  constructor(reader: BinaryReader, parameters: number, where: string) {
    const { groups, start, count } = readLocals(reader, where);
    this.#groups = groups;
    this.#declared = reader.between(start, reader.position);
    this.#first = parameters + count;
  }

  /** The index of an added local. */
  scratch(purpose: string, type: number): number {
    let index = this.#indices.get(purpose);
    if (index === undefined) {
      index = this.#first + this.#added.length;
      this.#indices.set(purpose, index);
      this.#added.push(type);
    }
    return index;
  }

  encode(): number[] {
    return [
      ...encodeU32(this.#groups + this.#added.length),
      ...this.#declared,
      ...this.#added.flatMap((type) => [1, type]),
    ];
  }
}
