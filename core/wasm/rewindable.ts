import { BinaryReader } from './binary.ts';
import { readInstruction } from './expressions.ts';
import { codeSet, OP, skipImmediates } from './instructions.ts';
import type { Layout } from './layout.ts';
import { readLocals } from './locals.ts';
import { SECTION } from './sections.ts';

/** Whether memory and globals are all that a call of the component can change; if not, what else. */
export type Rewindable = { yes: true } | { yes: false; reason: string };

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

const isIrreversible = codeSet(IRREVERSIBLE.keys());

/** Reads all code. Throws COMPONENT_INVALID for instructions that are not on the list. */
export function findRewindable(layouts: readonly Layout[]): Rewindable {
  for (const layout of layouts) {
    const reason = findIrreversible(layout);
    if (reason !== undefined) return { yes: false, reason };
  }
  return { yes: true };
}

function findIrreversible({ name, sections, imported, functions }: Layout): string | undefined {
  const reader = new BinaryReader(sections.get(SECTION.code) ?? Uint8Array.of(0));
  reader.count();
  for (const nth of functions.keys()) {
    const where = `function ${imported.functions + nth} of ${name}`;
    const body = new BinaryReader(reader.take(reader.u32()));
    readLocals(body, where);
    while (!body.done) {
      const { code, immediates } = readInstruction(body, where);
      if (isIrreversible(code)) return `${IRREVERSIBLE.get(code)} in ${where}`;
      skipImmediates(body, immediates, where);
    }
  }
  return undefined;
}
