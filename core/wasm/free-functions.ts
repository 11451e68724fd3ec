import { BinaryReader } from './binary.ts';
import { readInstruction } from './expressions.ts';
import { CALL_COST, costOf } from './instruction-costs.ts';
import { OP, skipImmediates } from './instructions.ts';
import type { Layout } from './layout.ts';
import { readLocals } from './locals.ts';
import { SECTION } from './sections.ts';

interface Outline {
  /** Of its instructions, each once. */
  cost: number;
  /** Functions it calls, by index, once for each place; undefined where work has no bound that can be told. */
  calls: number[] | undefined;
}

/**
 * By index, what a call of a function costs at most, what it calls included; of those alone that are not charged for at their entry,
 * since they cost no more than CALL_COST and call only such functions: their callers are. A loop in one is charged for itself, turn by turn.
 */
export function findFreeFunctions({
  name,
  sections,
  imported,
  functions,
}: Layout): ReadonlyMap<number, number> {
  const reader = new BinaryReader(sections.get(SECTION.code) ?? Uint8Array.of(0));
  reader.count();
  const outlines = functions.map((_type, nth) => {
    const where = `function ${imported.functions + nth} of ${name}`;
    return readOutline(new BinaryReader(reader.take(reader.u32())), where);
  });
  const free = new Map<number, number>();
  // A function is decided when all it calls are; those that wait for each other never are.
  const callers = new Map<number, number[]>();
  const waiting = outlines.map(({ calls }) => calls?.length ?? 0);
  outlines.forEach(({ calls }, nth) => {
    for (const called of calls ?? []) {
      const known = callers.get(called) ?? [];
      known.push(nth);
      callers.set(called, known);
    }
  });
  const decidable = [...outlines.keys()].filter((nth) => waiting[nth] === 0);
  for (let nth = decidable.pop(); nth !== undefined; nth = decidable.pop()) {
    const { cost, calls } = outlines[nth] ?? { cost: 0, calls: undefined };
    if (!calls) continue;
    const all = calls.reduce((sum, called) => sum + (free.get(called) ?? 0), cost);
    if (all > CALL_COST) continue;
    const index = imported.functions + nth;
    free.set(index, all);
    for (const caller of callers.get(index) ?? []) {
      waiting[caller] = (waiting[caller] ?? 0) - 1;
      if (waiting[caller] === 0) decidable.push(caller);
    }
  }
  return free;
}

function readOutline(code: BinaryReader, where: string): Outline {
  readLocals(code, where);
  const outline: Outline = { cost: 0, calls: [] };
  while (!code.done) {
    const { code: op, immediates } = readInstruction(code, where);
    outline.cost += costOf(op);
    if (op === OP.call || op === OP.returnCall) outline.calls?.push(code.u32());
    else skipImmediates(code, immediates, where);
    const hasNoBound = op === OP.callIndirect || op === OP.returnCallIndirect;
    if (hasNoBound || outline.cost > CALL_COST) return { ...outline, calls: undefined };
  }
  return outline;
}
