import type { Additions } from './additions.ts';
import { BinaryReader, BinaryWriter, encodeU32, malformed } from './binary.ts';
import { findFreeFunctions } from './free-functions.ts';
import { OP } from './instructions.ts';
import type { Layout } from './layout.ts';
import { FunctionRewriter } from './rewrite-function.ts';
import { SECTION } from './sections.ts';
import type { Arities } from './store-marks.ts';
import type { SupportFunction } from './support-functions.ts';
import { KIND, TYPE } from './types.ts';

/** The code section, rewritten, with the support functions at its end. */
export function rewriteCode(layout: Layout, additions: Additions): Uint8Array {
  const { name, sections, imported, functions, types } = layout;
  const arities = aritiesOf(layout);
  const free = findFreeFunctions(layout);
  const reader = new BinaryReader(sections.get(SECTION.code) ?? Uint8Array.of(0));
  const writer = new BinaryWriter().u32(reader.count() + additions.functions.length);
  const scratch = new BinaryWriter();
  functions.forEach((type, nth) => {
    const index = imported.functions + nth;
    const where = `function ${index} of ${name}`;
    const body = new BinaryReader(reader.take(reader.u32()));
    const options = { index, parameters: types[type]?.parameters ?? 0, arities, free, where };
    new FunctionRewriter(body, scratch, additions.instruments, options).write(writer);
    if (!body.done) throw malformed(`${where} goes on after its end`);
  });
  for (const support of additions.functions) writeSupport(writer, support);
  return writer.written;
}

function aritiesOf({ types, imports, functions }: Layout): Arities {
  const imported = imports.flatMap(({ kind, type }) =>
    kind === KIND.function && type !== undefined ? [type] : [],
  );
  const typesOf = [...imported, ...functions];
  return { ofType: (index) => types[index], ofFunction: (index) => types[typesOf[index] ?? -1] };
}

function writeSupport(writer: BinaryWriter, { locals, code }: SupportFunction): void {
  const declared = locals === 0 ? [0] : [1, ...encodeU32(locals), TYPE.i32];
  const body = [...declared, ...code, OP.end];
  writer.u32(body.length).bytes(body);
}
