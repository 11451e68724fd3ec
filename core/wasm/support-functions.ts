import { encodeU32 } from './binary.ts';
import { constant, get, set, when, wide } from './code.ts';
import { FILL_MAP, mapAccess, OP } from './instructions.ts';
import { MAP, MARKED_PAGE_SHIFT, TAKE_TURN } from './reserved.ts';
import { EMPTY_BLOCK, TYPE } from './types.ts';

/** Fuel for a page that memory.grow gives, and bytes or entries of a bulk instruction that cost one. */
const FUEL_PER_PAGE_LOG2 = 10;
const BYTES_PER_FUEL_LOG2 = 6;
/** No table is larger, and what is left of a slice stays far from overflow. */
const MAXIMUM_ENTRIES = 2 ** 24;

export const FUNCTION_TYPES = {
  answers: [0x60, 0, 1, TYPE.i32],
  action: [0x60, 0, 0],
  takesOne: [0x60, 1, TYPE.i32, 0],
  takesTwo: [0x60, 2, TYPE.i32, TYPE.i32, 0],
  turnsOne: [0x60, 1, TYPE.i32, 1, TYPE.i32],
} as const;

/** A function that a module gets beside its own, with the locals (all i32) it needs beside its parameters. */
export interface SupportFunction {
  type: keyof typeof FUNCTION_TYPES;
  locals: number;
  code: number[];
}

const loadMap = (offset: number): number[] => [...constant(0), OP.i32Load, ...mapAccess(2, offset)];
const storeMap = (offset: number, value: number[]): number[] => [
  ...[...constant(0), ...value, OP.i32Store, ...mapAccess(2, offset)],
];
const MEMORY_SIZE = [OP.memorySize, 0];

/** Asks the host for more fuel; traps unless it gives some. */
export function spentFunction(imports: { spent: number; turn: number }): SupportFunction {
  const call = (index: number): number[] => [OP.call, ...encodeU32(index)];
  return {
    type: 'action',
    locals: 1,
    code: [
      ...[...call(imports.spent), OP.localTee, 0],
      ...when([OP.i32Eqz], [OP.return]),
      ...when(
        [...get(0), ...constant(TAKE_TURN), OP.i32Eq],
        when([...call(imports.turn), OP.i32Eqz], [OP.return]),
      ),
      OP.unreachable,
    ],
  };
}

/** fuel -= amount; if (fuel < 0) spent() */
function take(amount: number[], fuel: number, spent: number): number[] {
  const fuelNow = [OP.globalGet, ...encodeU32(fuel)];
  return [
    ...[...fuelNow, ...amount, OP.i32Sub, OP.globalSet, ...encodeU32(fuel)],
    ...when([...fuelNow, ...constant(0), OP.i32LtS], [OP.call, ...encodeU32(spent)]),
  ];
}

/** (entries): takes fuel for a bulk instruction on a table. */
export function chargeEntriesFunction(fuel: number, spent: number): SupportFunction {
  const most = constant(MAXIMUM_ENTRIES);
  return {
    type: 'takesOne',
    locals: 0,
    code: [...when([...get(0), ...most, OP.i32GtU], [...most, ...set(0)]), ...take(get(0), fuel, spent)],
  };
}

/**
 * (to, length): takes fuel for a bulk instruction on memory and marks its pages. Where these are not in the memory either the map
 * traps here or the instruction does, in the same way.
 */
export function touchFunction(fuel: number, spent: number): SupportFunction {
  const page = (address: number[]): number[] => [...address, ...constant(MARKED_PAGE_SHIFT), OP.i32ShrU];
  const last = [...get(0), ...get(1), OP.i32Add, ...constant(1), OP.i32Sub];
  const markPages = [
    ...[...page(get(0)), ...constant(MAP.pages), OP.i32Add],
    ...constant(1),
    ...[...page(last), ...page(get(0)), OP.i32Sub, ...constant(1), OP.i32Add],
    ...FILL_MAP,
  ];
  return {
    type: 'takesTwo',
    locals: 0,
    code: [
      ...take([...get(1), ...constant(BYTES_PER_FUEL_LOG2), OP.i32ShrU], fuel, spent),
      ...when(get(1), markPages),
    ],
  };
}

/**
 * (pages): memory.grow as the guest sees it. What is there already is handed out first, and the limit of the call holds beside the
 * memory's own maximum.
 */
export function growFunction(fuel: number, spent: number): SupportFunction {
  const [more, slack, size, limit] = [0, 1, 2, 3];
  const refuse = [...storeMap(MAP.refused, constant(1)), ...constant(-1), OP.return];
  const isTooMuch = [...wide(get(limit)), ...wide(get(size)), ...wide(get(more)), OP.i64Add, OP.i64LtU];
  const missing = [...get(more), ...get(slack), OP.i32Sub];
  return {
    type: 'turnsOne',
    locals: 3,
    code: [
      ...[...loadMap(MAP.slack), ...set(slack)],
      ...[...MEMORY_SIZE, ...get(slack), OP.i32Sub, ...set(size)],
      ...[...loadMap(MAP.limit), ...set(limit)],
      ...when(get(limit), when(get(more), when(isTooMuch, refuse))),
      ...[...get(more), ...get(slack), OP.i32GtU, OP.if, EMPTY_BLOCK],
      ...when([...missing, OP.memoryGrow, 0, ...constant(-1), OP.i32Eq], refuse),
      ...storeMap(MAP.slack, constant(0)),
      OP.else,
      ...storeMap(MAP.slack, [...get(slack), ...get(more), OP.i32Sub]),
      OP.end,
      ...take([...get(more), ...constant(FUEL_PER_PAGE_LOG2), OP.i32Shl], fuel, spent),
      ...get(size),
    ],
  };
}

/** Copies globals to others. */
export function copyGlobalsFunction(
  pairs: readonly (readonly [from: number, to: number])[],
): SupportFunction {
  const code = pairs.flatMap(([from, to]) => [
    ...[OP.globalGet, ...encodeU32(from)],
    ...[OP.globalSet, ...encodeU32(to)],
  ]);
  return { type: 'action', locals: 0, code };
}
