/**
 * Names that the rewriter gives to what it adds to a core module. No core module may bring a name that begins with RESERVED, so the
 * engine can rely on them.
 */
export const RESERVED = 'alga:rewritten';

/** Imports, of the module RESERVED. */
export const IMPORT = {
  /** `global (mut i32)`: what is left of the slice; one for all core modules of an instance. */
  fuel: 'fuel',
  /** `func () -> i32`: the slice is used up; see GO_ON and the like for its answer. Never suspends. */
  spent: 'spent',
  /** `func () -> i32`: called when `spent` answered TAKE_TURN; may suspend. Answers GO_ON or STOP. */
  turn: 'turn',
  /** `memory`: the map of the memory that the module imports. */
  map: 'map',
} as const;

export const GO_ON = 0;
export const TAKE_TURN = 1;
/** The guest traps with `unreachable`, which it cannot catch; the engine knows that it was it who stopped the guest. */
export const STOP = 2;

/** Exports, where the module has what they are of. */
export const EXPORT = {
  /** The memory that the module defines. */
  memory: `${RESERVED}/memory`,
  /** Its map. */
  map: `${RESERVED}/map`,
  /** `func ()`: keeps the values of all mutable globals that the module defines. */
  save: `${RESERVED}/save`,
  /** `func ()`: gives them the values that were kept. */
  restore: `${RESERVED}/restore`,
} as const;

/**
 * A map is a memory of its own: a header, then a byte for each page of 4 KiB of the memory that it is the map of. A byte other than
 * zero says that the guest may have written to that page, or to the first STORE_TAIL bytes after it: what marks a page stands for all
 * stores that begin within MARK_REACH bytes from there. Pages behind the memory's end may be marked too, by stores that trapped.
 */
export const MAP = {
  /** i32: so many pages of 64 KiB at the memory's end are there, but not for the guest: it has not asked for them. */
  slack: 0,
  /** i32: what `memory.grow` may reach, in pages of 64 KiB; 0 for the memory's own maximum. */
  limit: 4,
  /** i32: 1 once the guest was refused memory that it asked for. */
  refused: 8,
  /** Where the bytes of the pages begin. */
  pages: 64,
} as const;

export const MARKED_PAGE_BYTES = 4096;
export const MARKED_PAGE_SHIFT = 12;
export const MARK_REACH = 512;
/** The largest store is one of 16 bytes. */
export const STORE_TAIL = MARK_REACH + 14;
