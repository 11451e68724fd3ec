import { PlatformError } from '../errors.ts';
import { BinaryReader, concat, encodeU32, malformed, readSections, writeSections } from './binary.ts';

const IMPORT_SECTION = 2;
const MEMORY_SECTION = 5;
const PAGE_BYTES = 64 * 1024;
export const PAGES_PER_MB = (1024 * 1024) / PAGE_BYTES;

/** In pages; a maximum of undefined is none. */
interface Limits {
  minimum: number;
  maximum: number | undefined;
}

/** Memories that a module defines itself, each with the bytes it may grow to; an unlimited one counts as Infinity. */
export function memoryMaximumBytes(module: Uint8Array): number {
  return definedMemories(module).reduce((sum, { maximum }) => sum + (maximum ?? Infinity) * PAGE_BYTES, 0);
}

/**
 * Gives every memory of a component's core modules a maximum, so that the engine itself refuses to grow beyond `memoryMb` in
 * total. Several memories share what their minimums leave over. Throws COMPONENT_INVALID for modules it cannot limit: a larger
 * minimum, 64-bit or shared memories.
 */
export function limitMemories(
  modules: Readonly<Record<string, Uint8Array>>,
  memoryMb: number,
): Record<string, Uint8Array> {
  const cap = memoryMb * PAGES_PER_MB;
  const defined = Object.values(modules).flatMap(definedMemories);
  const needed = defined.reduce((sum, { minimum }) => sum + minimum, 0);
  if (needed > cap) throw tooLarge(needed, memoryMb);
  const share = defined.length === 0 ? 0 : Math.floor((cap - needed) / defined.length);

  return Object.fromEntries(
    Object.entries(modules).map(([name, module]) => [name, rewrite(module, { cap, share, memoryMb })]),
  );
}

interface Cap {
  cap: number;
  share: number;
  memoryMb: number;
}

function rewrite(module: Uint8Array, { cap, share, memoryMb }: Cap): Uint8Array {
  return writeSections(
    readSections(module).map((section) => {
      if (section.id === MEMORY_SECTION) {
        const limited = readMemories(section.body).map(({ minimum, maximum = Infinity }) =>
          encodeLimits({ minimum, maximum: Math.min(maximum, minimum + share) }),
        );
        return { id: section.id, body: concat([Uint8Array.from(encodeU32(limited.length)), ...limited]) };
      }
      if (section.id !== IMPORT_SECTION) return section;
      return {
        id: section.id,
        body: rewriteImports(section.body, ({ minimum, maximum = Infinity }) => {
          if (minimum > cap) throw tooLarge(minimum, memoryMb);
          return encodeLimits({ minimum, maximum: Math.min(maximum, cap) });
        }),
      };
    }),
  );
}

export function tooLarge(pages: number, memoryMb: number): PlatformError {
  const neededMb = Math.ceil(pages / PAGES_PER_MB);
  return new PlatformError(
    'COMPONENT_INVALID',
    `the component starts with ${neededMb} MiB of memory and limits.memoryMb allows ${memoryMb}: raise limits.memoryMb in the manifest`,
    { details: { neededMb, memoryMb } },
  );
}

function definedMemories(module: Uint8Array): Limits[] {
  return readSections(module)
    .filter(({ id }) => id === MEMORY_SECTION)
    .flatMap(({ body }) => readMemories(body));
}

function readMemories(body: Uint8Array): Limits[] {
  const reader = new BinaryReader(body);
  const memories = Array.from({ length: countOf(reader, body) }, () => readMemoryLimits(reader));
  if (!reader.done) throw malformed('its memory section is longer than its memories');
  return memories;
}

/** A count read from the bytes, never more than they could hold. */
function countOf(reader: BinaryReader, body: Uint8Array): number {
  const count = reader.u32();
  if (count > body.length) throw malformed('a section is shorter than its count says');
  return count;
}

function readMemoryLimits(reader: BinaryReader): Limits {
  const flags = reader.byte();
  // 0: a minimum; 1: a maximum as well. Other bits mean shared, 64-bit or pages of another size.
  if (flags > 1) {
    throw new PlatformError(
      'COMPONENT_INVALID',
      'the component uses a shared or 64-bit memory, or pages of its own size, which this platform does not run',
    );
  }
  const minimum = reader.u32();
  return { minimum, maximum: flags === 1 ? reader.u32() : undefined };
}

function encodeLimits({ minimum, maximum }: { minimum: number; maximum: number }): Uint8Array {
  return Uint8Array.from([1, ...encodeU32(minimum), ...encodeU32(maximum)]);
}

/** The import section with the limits of its memories replaced and everything else as it was. */
function rewriteImports(body: Uint8Array, limit: (limits: Limits) => Uint8Array): Uint8Array {
  const reader = new BinaryReader(body);
  const parts: Uint8Array[] = [];
  let copied = 0;
  for (let left = countOf(reader, body); left > 0; left -= 1) {
    reader.name();
    reader.name();
    const kind = reader.byte();
    if (kind !== 0x02) {
      skipImportType(reader, kind);
      continue;
    }
    parts.push(body.subarray(copied, reader.position), limit(readMemoryLimits(reader)));
    copied = reader.position;
  }
  if (!reader.done) throw malformed('its import section is longer than its imports');
  return concat([...parts, body.subarray(copied)]);
}

function skipImportType(reader: BinaryReader, kind: number): void {
  switch (kind) {
    case 0x00: // function: type index
      reader.u32();
      break;
    case 0x01: // table: reference type, limits
      skipValueType(reader);
      if ((reader.byte() & 1) === 1) reader.u32();
      reader.u32();
      break;
    case 0x03: // global: value type, mutability
      skipValueType(reader);
      reader.byte();
      break;
    case 0x04: // tag: attribute, type index
      reader.byte();
      reader.u32();
      break;
    default:
      throw malformed(`it imports a thing of unknown kind ${kind}`);
  }
}

function skipValueType(reader: BinaryReader): void {
  const type = reader.byte();
  // (ref ht) and (ref null ht) name their heap type after them.
  if (type === 0x63 || type === 0x64) while (reader.byte() >= 0x80);
}
