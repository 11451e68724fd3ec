import { planAdditions, type Additions } from './additions.ts';
import { BinaryReader, BinaryWriter, concat, encodeU32, writeSections, type Section } from './binary.ts';
import { copyExpression, shifted } from './expressions.ts';
import { OP } from './instructions.ts';
import type { Layout } from './layout.ts';
import { limitDefinedMemory, limitImportedMemory, limitTable, mapPages, type MemoryPlan } from './limits.ts';
import { IMPORT, RESERVED } from './reserved.ts';
import { rewriteCode } from './rewrite-code.ts';
import { rewriteData, rewriteElements } from './segments.ts';
import { SECTION } from './sections.ts';
import { FUNCTION_TYPES } from './support-functions.ts';
import { KIND, readGlobalType, TYPE, type Limits } from './types.ts';

/** Rewrites a module that readLayout has accepted. Custom sections are left out. */
export function rewriteModule(layout: Layout, plan: MemoryPlan): Uint8Array {
  const additions = planAdditions(layout);
  const own = (id: number): Section[] => {
    const body = layout.sections.get(id);
    return body ? [{ id, body }] : [];
  };
  return writeSections([
    { id: SECTION.type, body: extend(layout, SECTION.type, Object.values(FUNCTION_TYPES)) },
    { id: SECTION.import, body: writeImports(layout, plan) },
    { id: SECTION.function, body: extend(layout, SECTION.function, supportTypes(layout, additions)) },
    { id: SECTION.table, body: writeTables(layout) },
    { id: SECTION.memory, body: writeMemories(layout, plan) },
    { id: SECTION.global, body: writeGlobals(layout, additions) },
    { id: SECTION.export, body: writeExports(layout, additions) },
    ...own(SECTION.start).map(({ id, body }) => ({ id, body: shiftStart(body, additions) })),
    ...own(SECTION.element).map(({ id, body }) => ({ id, body: rewriteElements(body, layout, additions) })),
    ...own(SECTION.dataCount),
    { id: SECTION.code, body: rewriteCode(layout, additions) },
    ...own(SECTION.data).map(({ id, body }) => ({ id, body: rewriteData(body, layout, additions) })),
  ]);
}

/** A section's entries as they are, and more after them. */
function extend(layout: Layout, id: number, more: readonly (readonly number[])[]): Uint8Array {
  const body = layout.sections.get(id) ?? Uint8Array.of(0);
  const reader = new BinaryReader(body);
  const count = reader.count() + more.length;
  return concat([
    Uint8Array.from(encodeU32(count)),
    body.subarray(reader.position),
    ...more.map((bytes) => Uint8Array.from(bytes)),
  ]);
}

function supportTypes({ types }: Layout, { functions }: Additions): number[][] {
  const names = Object.keys(FUNCTION_TYPES);
  return functions.map(({ type }) => encodeU32(types.length + names.indexOf(type)));
}

function writeImports({ imports, sections, types, memory }: Layout, plan: MemoryPlan): Uint8Array {
  const body = sections.get(SECTION.import) ?? Uint8Array.of(0);
  const writer = new BinaryWriter();
  writer.u32(imports.length + (memory?.importedFrom ? 4 : 3));
  for (const { start, describedAt, end, limits } of imports) {
    if (!limits) writer.bytes(body.subarray(start, end));
    else
      writer.bytes(body.subarray(start, describedAt)).bytes(encodeLimits(limitImportedMemory(limits, plan)));
  }
  const answers = encodeU32(types.length + Object.keys(FUNCTION_TYPES).indexOf('answers'));
  const add = (name: string, kind: number, description: readonly number[]): void => {
    writer.bytes([...encodeName(RESERVED), ...encodeName(name), kind, ...description]);
  };
  add(IMPORT.spent, KIND.function, answers);
  add(IMPORT.turn, KIND.function, answers);
  add(IMPORT.fuel, KIND.global, [TYPE.i32, 1]);
  if (memory?.importedFrom) add(IMPORT.map, KIND.memory, [0, 1]);
  return writer.written;
}

function writeTables({ tables }: Layout): Uint8Array {
  const writer = new BinaryWriter().u32(tables.length);
  for (const table of tables) writer.bytes([table.type, ...encodeLimits(limitTable(table))]);
  return writer.written;
}

function writeMemories({ memory }: Layout, plan: MemoryPlan): Uint8Array {
  if (!memory || memory.importedFrom) return Uint8Array.of(0);
  const limits = limitDefinedMemory(memory.limits, plan);
  const map = mapPages(limits.maximum);
  return Uint8Array.from([2, ...encodeLimits(limits), ...encodeLimits({ minimum: map, maximum: map })]);
}

function encodeLimits({ minimum, maximum }: Required<Limits>): number[] {
  return [1, ...encodeU32(minimum), ...encodeU32(maximum ?? minimum)];
}

function encodeName(text: string): number[] {
  const bytes = new TextEncoder().encode(text);
  return [...encodeU32(bytes.length), ...bytes];
}

function writeGlobals({ name, globals, sections }: Layout, { copies, instruments }: Additions): Uint8Array {
  const reader = new BinaryReader(sections.get(SECTION.global) ?? Uint8Array.of(0));
  const writer = new BinaryWriter().u32(reader.count() + copies.length);
  for (let left = globals.length; left > 0; left -= 1) {
    const { type, mutable } = readGlobalType(reader, name);
    writer.bytes([type, Number(mutable)]);
    copyExpression(reader, writer, instruments.shift, name);
  }
  for (const type of copies) writer.bytes([type, 1, ...zeroOf(type), OP.end]);
  return writer.written;
}

/** The constant expression of a type's zero. */
function zeroOf(type: number): number[] {
  switch (type) {
    case TYPE.i32:
      return [OP.i32Const, 0];
    case TYPE.i64:
      return [OP.i64Const, 0];
    case TYPE.f32:
      return [OP.f32Const, 0, 0, 0, 0];
    case TYPE.f64:
      return [OP.f64Const, ...Array<number>(8).fill(0)];
    case TYPE.v128:
      return [0xfd, 0x0c, ...Array<number>(16).fill(0)];
    default:
      return [OP.refNull, type];
  }
}

function writeExports({ sections }: Layout, { exports, instruments }: Additions): Uint8Array {
  const reader = new BinaryReader(sections.get(SECTION.export) ?? Uint8Array.of(0));
  const count = reader.count();
  const writer = new BinaryWriter().u32(count + exports.length);
  const { functions, globals } = instruments.shift;
  for (let left = count; left > 0; left -= 1) {
    const name = reader.take(reader.u32());
    const kind = reader.byte();
    const index = reader.u32();
    writer.u32(name.length).bytes(name).bytes([kind]);
    if (kind === KIND.function) writer.u32(shifted(index, functions));
    else writer.u32(kind === KIND.global ? shifted(index, globals) : index);
  }
  for (const { name, kind, index } of exports) writer.bytes([...encodeName(name), kind, ...encodeU32(index)]);
  return writer.written;
}

function shiftStart(body: Uint8Array, { instruments }: Additions): Uint8Array {
  return Uint8Array.from(encodeU32(shifted(new BinaryReader(body).u32(), instruments.shift.functions)));
}
