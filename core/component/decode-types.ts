import { malformed, type BinaryReader } from '../wasm/binary.ts';
import { PRIMITIVES, type FuncType, type Primitive, type TypeDef, type ValType } from './plan.ts';

// Binary format of the component model: https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md

/** Uses something of the component model that a link plan cannot say; `message` names it. */
export class UnlinkableError extends Error {
  override readonly name = 'UnlinkableError';
}

/** An entry of a type index space. An instance type is read when it is imported, since its resources are the importing name's. */
export type TypeEntry =
  | { kind: 'value'; type: ValType }
  | { kind: 'func'; type: FuncType }
  | { kind: 'resource'; resource: number }
  | { kind: 'instance'; body: Uint8Array; scope: readonly TypeEntry[] };

/** 0x7f down to 0x73, in the order of the specification. */
const PRIMITIVE_CODES = new Map<number, Primitive>(PRIMITIVES.map((name, index) => [0x7f - index, name]));
/** Deep enough for any world; a definition refers only to earlier ones, so nothing is cyclic. */
const MAX_ITEMS = 100_000;
const MAX_FLAGS = 32;

/** Types and resources of one component, each definition once. */
export interface TypeTable {
  types: TypeDef[];
  resources: { interface: string; name: string }[];
}

export function readCount(reader: BinaryReader): number {
  const count = reader.u32();
  if (count > MAX_ITEMS) throw malformed('a vector has more items than any component needs');
  return count;
}

export function readVector<T>(reader: BinaryReader, item: () => T): T[] {
  return Array.from({ length: readCount(reader) }, item);
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function readName(reader: BinaryReader): string {
  return utf8.decode(reader.take(reader.u32()));
}

/** A name of an import or export, which has a byte before it that says whether a version's suffix follows. */
export function readExternName(reader: BinaryReader): string {
  const form = reader.byte();
  if (form > 1) throw new UnlinkableError(`an external name of form ${form}`);
  return readName(reader);
}

export function readExternDesc(reader: BinaryReader): ExternDesc {
  const kind = reader.byte();
  switch (kind) {
    case 0x01:
      return { kind: 'func', type: reader.u32() };
    case 0x05:
      return { kind: 'instance', type: reader.u32() };
    case 0x03:
      return reader.byte() === 0x00 ? { kind: 'type', type: reader.u32() } : { kind: 'resource' };
    case 0x00:
      reader.byte();
      reader.u32();
      return { kind: 'opaque' };
    case 0x04:
      reader.u32();
      return { kind: 'opaque' };
    default:
      throw new UnlinkableError(`an external description of kind ${kind}`);
  }
}

type ExternDesc =
  { kind: 'func' | 'instance' | 'type'; type: number } | { kind: 'resource' } | { kind: 'opaque' };

/** One definition of a type section or of an instance type. */
export function readTypeDefinition(
  reader: BinaryReader,
  scope: readonly TypeEntry[],
  table: TypeTable,
): TypeEntry {
  const code = reader.byte();
  const valType = (): ValType => readValType(reader, scope);
  const define = (def: TypeDef): TypeEntry => ({ kind: 'value', type: table.types.push(def) - 1 });
  const primitive = PRIMITIVE_CODES.get(code);
  if (primitive !== undefined) return { kind: 'value', type: primitive };
  switch (code) {
    case 0x72:
      return define({
        kind: 'record',
        fields: readVector(reader, (): [string, ValType] => [readName(reader), valType()]),
      });
    case 0x71:
      return define({ kind: 'variant', cases: readVector(reader, () => readCase(reader, valType)) });
    case 0x70:
      return define({ kind: 'list', of: valType() });
    case 0x6f:
      return define({ kind: 'tuple', of: readVector(reader, valType) });
    case 0x6e: {
      const names = readVector(reader, () => readName(reader));
      if (names.length > MAX_FLAGS) throw new UnlinkableError(`more than ${MAX_FLAGS} flags`);
      return define({ kind: 'flags', names });
    }
    case 0x6d:
      return define({ kind: 'enum', names: readVector(reader, () => readName(reader)) });
    case 0x6b:
      return define({ kind: 'option', of: readOptioned(valType(), table) });
    case 0x6a:
      return define({
        kind: 'result',
        ok: readOptional(reader, valType),
        err: readOptional(reader, valType),
      });
    case 0x69:
    case 0x68: {
      const entry = entryOf(scope, reader.u32());
      if (entry.kind !== 'resource') throw new UnlinkableError('a handle of something that is no resource');
      return define({ kind: code === 0x69 ? 'own' : 'borrow', resource: entry.resource });
    }
    case 0x40: {
      const params = readVector(reader, () => {
        readName(reader);
        return valType();
      });
      const hasResult = reader.byte() === 0x00;
      if (!hasResult) reader.byte();
      return { kind: 'func', type: { params, result: hasResult ? valType() : null } };
    }
    case 0x42: {
      const entry: TypeEntry = { kind: 'instance', body: reader.rest(), scope };
      readInstanceType(reader, scope, '', { types: [], resources: [] }); // to come to its end
      return entry;
    }
    case 0x3f:
      throw new UnlinkableError('resources of its own');
    default:
      throw new UnlinkableError(`a type of code 0x${code.toString(16)}`);
  }
}

/** In JavaScript an option is the value or undefined, which one in another would not tell apart. */
function readOptioned(type: ValType, { types }: TypeTable): ValType {
  const inner = typeof type === 'number' ? types[type] : undefined;
  if (inner?.kind === 'option') throw new UnlinkableError('an option of an option');
  return type;
}

function readCase(reader: BinaryReader, valType: () => ValType): [name: string, type: ValType | null] {
  const name = readName(reader);
  const type = readOptional(reader, valType);
  if (reader.byte() !== 0x00) throw malformed('a case refines another');
  return [name, type];
}

function readOptional<T>(reader: BinaryReader, item: () => T): T | null {
  return reader.byte() === 0x00 ? null : item();
}

function readValType(reader: BinaryReader, scope: readonly TypeEntry[]): ValType {
  const primitive = PRIMITIVE_CODES.get(reader.peek());
  if (primitive !== undefined) {
    reader.byte();
    return primitive;
  }
  // A signed number of 33 bits; as an index it is positive, and its bits are those of an unsigned one.
  const entry = entryOf(scope, reader.u32());
  if (entry.kind !== 'value') throw new UnlinkableError('a value of a type that is none of values');
  return entry.type;
}

export function entryOf(scope: readonly TypeEntry[], index: number): TypeEntry {
  const entry = scope[index];
  if (entry === undefined) throw malformed(`there is no type ${index}`);
  return entry;
}

/** What an instance of this type offers when it is imported as `interfaceName`; `outer` is the scope around its definition. */
export function readInstanceType(
  reader: BinaryReader,
  outer: readonly TypeEntry[],
  interfaceName: string,
  table: TypeTable,
): ReadonlyMap<string, TypeEntry> {
  const scope: TypeEntry[] = [];
  const items = new Map<string, TypeEntry>();
  for (let left = readCount(reader); left > 0; left -= 1) {
    const declaration = reader.byte();
    if (declaration === 0x01) {
      scope.push(readTypeDefinition(reader, scope, table));
    } else if (declaration === 0x02) {
      scope.push(readOuterAlias(reader, scope, outer));
    } else if (declaration === 0x04) {
      const name = readExternName(reader);
      const item = readDeclaredExport(reader, scope, { interface: interfaceName, name }, table);
      if (item.kind !== 'func') scope.push(item.entry);
      items.set(name, item.entry);
    } else {
      throw new UnlinkableError(`an instance type with a declaration of kind ${declaration}`);
    }
  }
  return items;
}

function readDeclaredExport(
  reader: BinaryReader,
  scope: readonly TypeEntry[],
  identity: { interface: string; name: string },
  table: TypeTable,
): { kind: 'func' | 'type'; entry: TypeEntry } {
  const desc = readExternDesc(reader);
  switch (desc.kind) {
    case 'func':
      return { kind: 'func', entry: entryOf(scope, desc.type) };
    case 'type':
      return { kind: 'type', entry: entryOf(scope, desc.type) };
    case 'resource':
      return { kind: 'type', entry: { kind: 'resource', resource: table.resources.push(identity) - 1 } };
    default:
      throw new UnlinkableError(`an instance type that exports ${desc.kind}`);
  }
}

function readOuterAlias(
  reader: BinaryReader,
  scope: readonly TypeEntry[],
  outer: readonly TypeEntry[],
): TypeEntry {
  const sort = reader.byte();
  const target = reader.byte();
  if (sort !== 0x03 || target !== 0x02)
    throw new UnlinkableError('an instance type with an alias of no type');
  const levels = reader.u32();
  if (levels > 1) throw new UnlinkableError('an alias from beyond the component');
  return entryOf(levels === 0 ? scope : outer, reader.u32());
}
