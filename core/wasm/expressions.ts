import type { BinaryReader, BinaryWriter } from './binary.ts';
import {
  formatCode,
  immediatesOf,
  OP,
  proposalOf,
  readCode,
  skipImmediates,
  type Immediates,
} from './instructions.ts';
import { unsupported } from './types.ts';

/** How indices change because imports were added: what the module defines itself moves up. */
export interface Shift {
  functions: { from: number; by: number };
  globals: { from: number; by: number };
}

export function shifted(index: number, { from, by }: { from: number; by: number }): number {
  return index < from ? index : index + by;
}

/** The next instruction's opcode. Throws COMPONENT_INVALID if it is not on the list. */
export function readInstruction(
  reader: BinaryReader,
  where: string,
): { code: number; immediates: Immediates } {
  const code = readCode(reader);
  const immediates = immediatesOf(code);
  if (immediates === undefined) {
    throw unsupported(proposalOf(code) ?? 'of no proposal known here', where, formatCode(code));
  }
  return { code, immediates };
}

/** Copies a constant expression, its end included. */
export function copyExpression(
  reader: BinaryReader,
  writer: BinaryWriter,
  shift: Shift,
  where: string,
): void {
  for (;;) {
    const start = reader.position;
    const { code, immediates } = readInstruction(reader, where);
    if (immediates === 'function' || immediates === 'global') {
      const index = shifted(reader.u32(), immediates === 'function' ? shift.functions : shift.globals);
      writer.bytes([code]).u32(index);
      continue;
    }
    skipImmediates(reader, immediates, where);
    writer.bytes(reader.between(start, reader.position));
    if (code === OP.end) return;
  }
}

export function skipExpression(reader: BinaryReader, where: string): void {
  for (;;) {
    const { code, immediates } = readInstruction(reader, where);
    skipImmediates(reader, immediates, where);
    if (code === OP.end) return;
  }
}
