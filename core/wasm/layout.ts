import { PlatformError } from '../errors.ts';
import { BinaryReader, readSections } from './binary.ts';
import { SECTION } from './sections.ts';
import {
  KIND,
  readGlobalType,
  readImport,
  readMemoryLimits,
  readTable,
  readTypes,
  unsupported,
  type Arity,
  type GlobalType,
  type Import,
  type Limits,
  type Table,
} from './types.ts';
import { RESERVED } from './reserved.ts';
import { skipExpression } from './expressions.ts';

/** What a core module imports and defines, as far as the rewriter needs it. */
export interface Layout {
  name: string;
  /** By section id; custom sections are left out. */
  sections: ReadonlyMap<number, Uint8Array>;
  imports: readonly Import[];
  imported: { functions: number; globals: number; tables: number };
  types: readonly Arity[];
  /** The type of each function the module defines. */
  functions: readonly number[];
  tables: readonly Table[];
  /** Where the module's only memory comes from. */
  memory: { limits: Limits; importedFrom?: { module: string; name: string } } | undefined;
  /** Those the module defines. */
  globals: readonly GlobalType[];
}

/** A module may have so many; each costs every instance of it. */
const MAXIMUM = { tables: 32, globals: 10_000, segments: 100_000, functions: 1_000_000 };

/** Reads a module that the engine has found valid. Throws COMPONENT_INVALID for what the platform does not run. */
export function readLayout(name: string, module: Uint8Array): Layout {
  const sections = new Map(
    readSections(module)
      .filter(({ id }) => id !== SECTION.custom)
      .map(({ id, body }) => [id, body]),
  );
  const list = <T>(id: number, read: (reader: BinaryReader) => T): T[] => {
    const body = sections.get(id);
    if (!body) return [];
    const reader = new BinaryReader(body);
    return Array.from({ length: reader.count() }, () => read(reader));
  };
  if (sections.has(SECTION.tag)) throw unsupported('exception handling', name);

  const types = sections.get(SECTION.type);
  const imports = list(SECTION.import, (reader) => readImport(reader, name));
  const of = (kind: number): Import[] => imports.filter((entry) => entry.kind === kind);
  const layout: Layout = {
    name,
    sections,
    imports,
    imported: {
      functions: of(KIND.function).length,
      globals: of(KIND.global).length,
      tables: of(KIND.table).length,
    },
    types: types ? readTypes(new BinaryReader(types), name) : [],
    functions: list(SECTION.function, (reader) => reader.u32()),
    tables: list(SECTION.table, (reader) => readTable(reader, name)),
    memory: onlyMemory(name, of(KIND.memory), list(SECTION.memory, readMemoryLimits)),
    globals: list(SECTION.global, (reader) => {
      const type = readGlobalType(reader, name);
      skipExpression(reader, `a global of ${name}`);
      return type;
    }),
  };
  checkNames(layout);
  checkCounts(layout);
  return layout;
}

function onlyMemory(name: string, imported: readonly Import[], defined: readonly Limits[]): Layout['memory'] {
  if (imported.length + defined.length > 1) throw unsupported('multi-memory', name);
  const [entry] = imported;
  if (entry?.limits) {
    return { limits: entry.limits, importedFrom: { module: entry.module, name: entry.name } };
  }
  const [limits] = defined;
  return limits && { limits };
}

/** A module that brings a reserved name could pass for one that was rewritten. */
function checkNames({ name, imports, sections }: Layout): void {
  const body = sections.get(SECTION.export);
  const reader = new BinaryReader(body ?? Uint8Array.of(0));
  const exported = Array.from({ length: reader.count() }, () => {
    const text = reader.name();
    reader.byte();
    reader.skipNumber();
    return text;
  });
  const names = [...exported, ...imports.map(({ module }) => module)];
  const taken = names.find((text) => text.startsWith(RESERVED));
  if (taken !== undefined) {
    throw new PlatformError('COMPONENT_INVALID', `${name} uses the name "${taken}", which is reserved`);
  }
}

function checkCounts({ name, imported, tables, globals, functions, sections }: Layout): void {
  const segments = [SECTION.element, SECTION.data]
    .map((id) => sections.get(id))
    .reduce((sum, body) => sum + (body ? new BinaryReader(body).count() : 0), 0);
  const counts = {
    tables: imported.tables + tables.length,
    globals: imported.globals + globals.length,
    segments,
    functions: imported.functions + functions.length,
  };
  for (const [what, maximum] of Object.entries(MAXIMUM)) {
    const count = counts[what as keyof typeof counts];
    if (count <= maximum) continue;
    throw new PlatformError(
      'COMPONENT_INVALID',
      `${name} has ${count} ${what}; at most ${maximum} are allowed`,
      {
        details: { count, maximum },
      },
    );
  }
}
