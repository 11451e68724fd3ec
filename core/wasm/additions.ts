import type { Shift } from './expressions.ts';
import type { Layout } from './layout.ts';
import { EXPORT } from './reserved.ts';
import type { Instruments } from './rewrite-function.ts';
import {
  chargeEntriesFunction,
  copyGlobalsFunction,
  growFunction,
  spentFunction,
  touchFunction,
  type SupportFunction,
} from './support-functions.ts';
import { KIND } from './types.ts';

/** So many functions and globals are imported after those that the module imports itself; see IMPORT. */
const IMPORTED = { functions: 2, globals: 1 };

/** What a rewritten module has beside its own. */
export interface Additions {
  instruments: Instruments;
  /** After the module's own. */
  functions: SupportFunction[];
  /** The types of the globals that keep a copy of those that are mutable, after the module's own. */
  copies: number[];
  exports: { name: string; kind: number; index: number }[];
}

export function planAdditions({ imported, globals, functions, memory }: Layout): Additions {
  const shift: Shift = {
    functions: { from: imported.functions, by: IMPORTED.functions },
    globals: { from: imported.globals, by: IMPORTED.globals },
  };
  const fuel = imported.globals;
  const firstGlobal = imported.globals + IMPORTED.globals;
  const firstSupport = imported.functions + IMPORTED.functions + functions.length;

  const mutable = globals.map((global, index) => ({ ...global, index })).filter((global) => global.mutable);
  const saved = mutable.map(
    ({ index }, nth) => [firstGlobal + index, firstGlobal + globals.length + nth] as const,
  );

  const spent = firstSupport;
  const support = [
    spentFunction({ spent: imported.functions, turn: imported.functions + 1 }),
    chargeEntriesFunction(fuel, spent),
    copyGlobalsFunction(saved),
    copyGlobalsFunction(saved.map(([from, to]) => [to, from] as const)),
    ...(memory ? [touchFunction(fuel, spent), growFunction(fuel, spent)] : []),
  ];
  const [chargeEntries, save, restore, touch, grow] = [1, 2, 3, 4, 5].map((nth) => firstSupport + nth) as [
    number,
    number,
    number,
    number,
    number,
  ];
  return {
    instruments: { shift, fuel, spent, chargeEntries, touch, grow },
    functions: support,
    copies: mutable.map(({ type }) => type),
    exports: [
      ...(saved.length > 0
        ? [
            { name: EXPORT.save, kind: KIND.function, index: save },
            { name: EXPORT.restore, kind: KIND.function, index: restore },
          ]
        : []),
      ...(memory && !memory.importedFrom
        ? [
            { name: EXPORT.memory, kind: KIND.memory, index: 0 },
            { name: EXPORT.map, kind: KIND.memory, index: 1 },
          ]
        : []),
    ],
  };
}
