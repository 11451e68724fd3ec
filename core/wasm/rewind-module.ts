import { encodeU32, writeSections } from './binary.ts';
import { branch, constant, get, loop, otherwise, set, when } from './code.ts';
import { OP } from './instructions.ts';
import { MAP, MARKED_PAGE_SHIFT, STORE_TAIL } from './reserved.ts';
import { SECTION } from './sections.ts';
import { KIND, TYPE } from './types.ts';

/** What the module imports, of the module `rewind`: a memory that is marked, its map, and what it held at its beginning. */
export interface RewindImports {
  map: WebAssembly.Memory;
  live: WebAssembly.Memory;
  pristine: WebAssembly.Memory;
}

/**
 * Copies all marked pages back and clears the map. Bytes from `pristineBytes` on were zero. False if the memory has not `pages` of
 * 64 KiB: then nothing was done.
 */
export type Rewind = (pristineBytes: number, pages: number) => 0 | 1;

// In the order of their imports: the map comes first, since V8 reaches the first memory of a module fastest.
const NAMES = ['map', 'live', 'pristine'] as const satisfies (keyof RewindImports)[];
const [LIVE, PRISTINE] = [1, 2];
const COPY_BACK = [0xfc, 0x0a, LIVE, PRISTINE];
const FILL_LIVE = [0xfc, 0x0b, LIVE];
const FILL_MAP = [0xfc, 0x0b, 0];

/** Of 4 KiB in one of 64. */
const PAGES_SHIFT = 16 - MARKED_PAGE_SHIFT;

function rewindFunction(): number[] {
  const [pristineBytes, pages, end, page, from, to] = [0, 1, 2, 3, 4, 5];
  const plus = (local: number, more: number): number[] => [...get(local), ...constant(more), OP.i32Add];
  const move = (local: number, by: number): number[] => [...plus(local, by), ...set(local)];
  const addressOf = (local: number): number[] => [...get(local), ...constant(MARKED_PAGE_SHIFT), OP.i32Shl];
  const isBelow = (a: number, b: number): number[] => [...get(a), ...get(b), OP.i32LtU];
  const least = (a: number, b: number): number[] => [...get(a), ...get(b), ...isBelow(a, b), OP.select];
  const most = (a: number, b: number): number[] => [...get(b), ...get(a), ...isBelow(a, b), OP.select];
  const mark = [...get(page), OP.i32Load8U, 0, ...encodeU32(MAP.pages)];
  const noneOfEight = [...get(page), OP.i64Load, 3, ...encodeU32(MAP.pages), OP.i64Eqz];
  const isFirstOfEight = [...get(page), ...constant(7), OP.i32And, OP.i32Eqz];

  const findEnd = loop([...move(page, 1), ...when(isBelow(page, end), [...mark, OP.brIf, 1])]);
  const restore = [
    ...[...addressOf(from), ...set(from), ...addressOf(page), ...set(to)],
    // A store that begins in the last page may end in the next.
    ...when(isBelow(page, end), move(to, STORE_TAIL)),
    ...when(isBelow(from, pristineBytes), [
      ...[...get(from), ...get(from), ...least(to, pristineBytes), ...get(from), OP.i32Sub],
      ...COPY_BACK,
    ]),
    ...when(isBelow(pristineBytes, to), [
      ...[...most(from, pristineBytes), ...set(from)],
      ...[...get(from), ...constant(0), ...get(to), ...get(from), OP.i32Sub],
      ...FILL_LIVE,
    ]),
  ];
  return [
    ...when([OP.memorySize, LIVE, ...get(pages), OP.i32Ne], [...constant(0), OP.return]),
    ...[...get(pages), ...constant(PAGES_SHIFT), OP.i32Shl, ...set(end)],
    ...loop(
      when(isBelow(page, end), [
        ...when(isFirstOfEight, when(noneOfEight, [...move(page, 8), ...branch(3)])),
        ...otherwise(mark, [...get(page), ...set(from), ...findEnd, ...restore], move(page, 1)),
        ...branch(1),
      ]),
    ),
    ...[...constant(MAP.pages), ...constant(0), ...get(end), ...FILL_MAP],
    ...constant(1),
  ];
}

/** A module of one function, `rewind`. */
export function rewindModule(): Uint8Array {
  const name = (text: string): number[] => [text.length, ...Buffer.from(text)];
  const imports = NAMES.map((each) => [...name('rewind'), ...name(each), KIND.memory, 0, 0]);
  const body = [1, 4, TYPE.i32, ...rewindFunction(), OP.end];
  const section = (id: number, bytes: readonly number[]): { id: number; body: Uint8Array } => ({
    id,
    body: Uint8Array.from(bytes),
  });
  return writeSections([
    section(SECTION.type, [1, 0x60, 2, TYPE.i32, TYPE.i32, 1, TYPE.i32]),
    section(SECTION.import, [imports.length, ...imports.flat()]),
    section(SECTION.function, [1, 0]),
    section(SECTION.export, [1, ...name('rewind'), KIND.function, 0]),
    section(SECTION.code, [1, ...encodeU32(body.length), ...body]),
  ]);
}
