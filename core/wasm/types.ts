import { PlatformError } from '../errors.ts';
import { malformed, type BinaryReader } from './binary.ts';

export const TYPE = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
  funcref: 0x70,
  externref: 0x6f,
} as const;
export const EMPTY_BLOCK = 0x40;
const FUNCTION_TYPE = 0x60;

/** What sort of thing is imported or exported. */
export const KIND = { function: 0, table: 1, memory: 2, global: 3, tag: 4 } as const;

const VALUE_TYPES: ReadonlySet<number> = new Set(Object.values(TYPE));

/** In entries of a table or pages of a memory; a maximum of undefined is none. */
export interface Limits {
  minimum: number;
  maximum: number | undefined;
}

/** COMPONENT_INVALID for what the specification has and the platform does not run; `where` is a place in a core module. */
export function unsupported(proposal: string, where: string, opcode?: string): PlatformError {
  const used = opcode === undefined ? proposal : `opcode ${opcode} (${proposal})`;
  return new PlatformError(
    'COMPONENT_INVALID',
    `the component uses ${used} in ${where}, which this platform does not run: build it without`,
    { details: { proposal, where, ...(opcode !== undefined && { opcode }) } },
  );
}

export function readValueType(reader: BinaryReader, where: string): number {
  const type = reader.byte();
  checkValueType(type, where);
  return type;
}

export function checkValueType(type: number, where: string): void {
  if (!VALUE_TYPES.has(type)) throw unsupported('typed function references or garbage collection', where);
}

/** How many parameters and results a function has. */
export interface Arity {
  parameters: number;
  results: number;
}

/** Of each type of a function. */
export function readTypes(reader: BinaryReader, where: string): Arity[] {
  return Array.from({ length: reader.count() }, () => {
    if (reader.byte() !== FUNCTION_TYPE) throw unsupported('garbage collection', where);
    const skipTypes = (): number => {
      const count = reader.count();
      for (let left = count; left > 0; left -= 1) readValueType(reader, where);
      return count;
    };
    return { parameters: skipTypes(), results: skipTypes() };
  });
}

export function readMemoryLimits(reader: BinaryReader): Limits {
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

export interface Table extends Limits {
  type: number;
}

export function readTable(reader: BinaryReader, where: string): Table {
  const type = reader.byte();
  // 0x40 announces a value that fills the table.
  if (type === EMPTY_BLOCK) throw unsupported('typed function references', where);
  checkValueType(type, where);
  const flags = reader.byte();
  if (flags > 1) throw unsupported('64-bit tables', where);
  const minimum = reader.u32();
  return { type, minimum, maximum: flags === 1 ? reader.u32() : undefined };
}

export interface GlobalType {
  type: number;
  mutable: boolean;
}

export function readGlobalType(reader: BinaryReader, where: string): GlobalType {
  const type = readValueType(reader, where);
  const flags = reader.byte();
  if (flags > 1) throw unsupported('threads', where);
  return { type, mutable: flags === 1 };
}

export interface Import {
  module: string;
  name: string;
  kind: number;
  /** Where it begins in the section, what it is is described, and it ends. */
  start: number;
  describedAt: number;
  end: number;
  /** Of memories. */
  limits?: Limits;
  /** Of functions, their type's index. */
  type?: number;
  global?: GlobalType;
}

export function readImport(reader: BinaryReader, where: string): Import {
  const start = reader.position;
  const module = reader.name();
  const name = reader.name();
  const kind = reader.byte();
  const describedAt = reader.position;
  const described = readDescription(reader, kind, where);
  return { module, name, kind, start, describedAt, end: reader.position, ...described };
}

function readDescription(
  reader: BinaryReader,
  kind: number,
  where: string,
): Pick<Import, 'limits' | 'type' | 'global'> {
  switch (kind) {
    case KIND.function:
      return { type: reader.u32() };
    case KIND.table:
      readTable(reader, where);
      return {};
    case KIND.memory:
      return { limits: readMemoryLimits(reader) };
    case KIND.global:
      return { global: readGlobalType(reader, where) };
    case KIND.tag:
      throw unsupported('exception handling', where);
    default:
      throw malformed(`it imports a thing of unknown kind ${kind}`);
  }
}
