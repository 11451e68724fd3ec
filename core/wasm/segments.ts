import type { Additions } from './additions.ts';
import { BinaryReader, BinaryWriter } from './binary.ts';
import { copyExpression, shifted } from './expressions.ts';
import type { Layout } from './layout.ts';
import { readValueType } from './types.ts';

/** Bits of an element segment's flags. */
const ELEMENT = { notActive: 1, namesTable: 2, hasExpressions: 4 };
/** Flags of data segments. */
const DATA = { passive: 1, namesMemory: 2 };

/** The element section with its indices shifted. */
export function rewriteElements(body: Uint8Array, { name }: Layout, { instruments }: Additions): Uint8Array {
  const { shift } = instruments;
  const where = `an element segment of ${name}`;
  const reader = new BinaryReader(body);
  const count = reader.count();
  const writer = new BinaryWriter().u32(count);
  for (let left = count; left > 0; left -= 1) {
    const flags = reader.u32();
    writer.u32(flags);
    if ((flags & ELEMENT.notActive) === 0) {
      if ((flags & ELEMENT.namesTable) !== 0) writer.u32(reader.u32());
      copyExpression(reader, writer, shift, where);
    }
    const hasExpressions = (flags & ELEMENT.hasExpressions) !== 0;
    if ((flags & (ELEMENT.notActive | ELEMENT.namesTable)) !== 0)
      writer.bytes([hasExpressions ? readValueType(reader, where) : reader.byte()]);
    const entries = reader.count();
    writer.u32(entries);
    for (let entry = 0; entry < entries; entry += 1) {
      if (hasExpressions) copyExpression(reader, writer, shift, where);
      else writer.u32(shifted(reader.u32(), shift.functions));
    }
  }
  return writer.written;
}

/** The data section with the indices in its offsets shifted. */
export function rewriteData(body: Uint8Array, { name }: Layout, { instruments }: Additions): Uint8Array {
  const reader = new BinaryReader(body);
  const count = reader.count();
  const writer = new BinaryWriter().u32(count);
  for (let left = count; left > 0; left -= 1) {
    const flags = reader.u32();
    writer.u32(flags);
    if (flags === DATA.namesMemory) writer.u32(reader.u32());
    if (flags !== DATA.passive)
      copyExpression(reader, writer, instruments.shift, `a data segment of ${name}`);
    const length = reader.u32();
    writer.u32(length).bytes(reader.take(length));
  }
  return writer.written;
}
