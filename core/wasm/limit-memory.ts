import { PlatformError } from '../errors.ts';
import { BinaryReader, concat, encodeU32, malformed, readSections, writeSections } from './binary.ts';
import { SECTION } from './sections.ts';
import { readImport, readMemoryLimits, type Limits } from './types.ts';

const PAGE_BYTES = 64 * 1024;
export const PAGES_PER_MB = (1024 * 1024) / PAGE_BYTES;

/** Memories that a module defines itself, each with the bytes it may grow to; an unlimited one counts as Infinity. */
export function memoryMaximumBytes(module: Uint8Array): number {
  return definedMemories(module).reduce((sum, { maximum }) => sum + (maximum ?? Infinity) * PAGE_BYTES, 0);
}

/** What the memories that modules define have from the start, in bytes. Throws COMPONENT_INVALID for 64-bit or shared ones. */
export function memoryMinimumBytes(modules: readonly Uint8Array[]): number {
  return modules.flatMap(definedMemories).reduce((sum, { minimum }) => sum + minimum * PAGE_BYTES, 0);
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
      if (section.id === SECTION.memory) {
        const limited = readMemories(section.body).map(({ minimum, maximum = Infinity }) =>
          encodeLimits({ minimum, maximum: Math.min(maximum, minimum + share) }),
        );
        return { id: section.id, body: concat([Uint8Array.from(encodeU32(limited.length)), ...limited]) };
      }
      if (section.id !== SECTION.import) return section;
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
    .filter(({ id }) => id === SECTION.memory)
    .flatMap(({ body }) => readMemories(body));
}

function readMemories(body: Uint8Array): Limits[] {
  const reader = new BinaryReader(body);
  const memories = Array.from({ length: reader.count() }, () => readMemoryLimits(reader));
  if (!reader.done) throw malformed('its memory section is longer than its memories');
  return memories;
}

function encodeLimits({ minimum, maximum }: { minimum: number; maximum: number }): Uint8Array {
  return Uint8Array.from([1, ...encodeU32(minimum), ...encodeU32(maximum)]);
}

/** The import section with the limits of its memories replaced and everything else as it was. */
function rewriteImports(body: Uint8Array, limit: (limits: Limits) => Uint8Array): Uint8Array {
  const reader = new BinaryReader(body);
  const parts: Uint8Array[] = [];
  let copied = 0;
  for (let left = reader.count(); left > 0; left -= 1) {
    const { limits, describedAt, end } = readImport(reader, 'an import');
    if (!limits) continue;
    parts.push(body.subarray(copied, describedAt), limit(limits));
    copied = end;
  }
  if (!reader.done) throw malformed('its import section is longer than its imports');
  return concat([...parts, body.subarray(copied)]);
}
