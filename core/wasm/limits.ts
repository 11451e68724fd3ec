import { PlatformError } from '../errors.ts';
import type { Layout } from './layout.ts';
import { PAGES_PER_MB, tooLarge } from './limit-memory.ts';
import { MAP, MARKED_PAGE_BYTES } from './reserved.ts';
import { TYPE, type Limits, type Table } from './types.ts';

const PAGE_BYTES = 64 * 1024;
/** What V8 keeps for an entry of a table; measured. */
const ENTRY_BYTES = { [TYPE.funcref]: 24, [TYPE.externref]: 8 };
/** A table may grow by so many entries, which are counted as if it had. */
const TABLE_GROWTH = 1024;

/** Each takes gigabytes of addresses, however small it is, and its map a page that counts for nobody. */
const MAXIMUM_MEMORIES = 32;

/** In pages. */
export interface MemoryPlan {
  cap: number;
  /** What each memory that a module defines may grow by. */
  share: number;
}

/**
 * Divides `memoryMb` between the memories and tables of all modules: what tables take and memories start with is counted, and the
 * memories share what is left. Throws COMPONENT_INVALID if that is too much.
 */
export function planMemory(layouts: readonly Layout[], memoryMb: number): MemoryPlan {
  const cap = memoryMb * PAGES_PER_MB;
  const defined = layouts.flatMap(({ memory }) => (memory && !memory.importedFrom ? [memory.limits] : []));
  if (defined.length > MAXIMUM_MEMORIES) {
    throw new PlatformError(
      'COMPONENT_INVALID',
      `the component has ${defined.length} memories; at most ${MAXIMUM_MEMORIES} are allowed`,
      { details: { count: defined.length, maximum: MAXIMUM_MEMORIES } },
    );
  }
  const tableBytes = layouts
    .flatMap(({ tables }) => tables)
    .reduce((sum, table) => sum + limitTable(table).maximum * entryBytes(table), 0);
  const needed = defined.reduce((sum, { minimum }) => sum + minimum, Math.ceil(tableBytes / PAGE_BYTES));
  if (needed > cap) throw tooLarge(needed, memoryMb);
  const imported = layouts.flatMap(({ memory }) => (memory?.importedFrom ? [memory.limits] : []));
  for (const { minimum } of imported) if (minimum > cap) throw tooLarge(minimum, memoryMb);
  return { cap, share: defined.length === 0 ? 0 : Math.floor((cap - needed) / defined.length) };
}

function entryBytes({ type }: Table): number {
  return type === TYPE.externref ? ENTRY_BYTES[TYPE.externref] : ENTRY_BYTES[TYPE.funcref];
}

export function limitTable({ minimum, maximum = Infinity }: Table): { minimum: number; maximum: number } {
  return { minimum, maximum: Math.min(maximum, minimum + TABLE_GROWTH) };
}

export function limitDefinedMemory(
  { minimum, maximum = Infinity }: Limits,
  { share }: MemoryPlan,
): Required<Limits> & { maximum: number } {
  return { minimum, maximum: Math.min(maximum, minimum + share) };
}

export function limitImportedMemory(
  { minimum, maximum = Infinity }: Limits,
  { cap }: MemoryPlan,
): { minimum: number; maximum: number } {
  return { minimum, maximum: Math.min(maximum, cap) };
}

/** Of the map of a memory, in pages. */
export function mapPages(maximum: number): number {
  return Math.ceil((MAP.pages + (maximum * PAGE_BYTES) / MARKED_PAGE_BYTES) / PAGE_BYTES);
}
