import type { LinkPlan, Primitive, ValType } from '../../../core/component/plan.ts';

// The canonical ABI: https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md

/** A core type that a value travels as where it needs no memory. */
export type FlatType = 'i32' | 'i64' | 'f32' | 'f64';

/** How a type lies in memory, and what it is made of on the stack; `flat` is undefined for one of more than `MAX_FLAT` parts. */
export interface Layout {
  size: number;
  align: number;
  flat: readonly FlatType[] | undefined;
}

/** More than that many parts travel through memory; results, with more than one. */
const MAX_FLAT = 16;
const MAX_SIZE = 2 ** 28;

const POINTER_AND_LENGTH: Layout = { size: 8, align: 4, flat: ['i32', 'i32'] };

const PRIMITIVE_LAYOUTS: Readonly<Record<Primitive, Layout>> = {
  bool: { size: 1, align: 1, flat: ['i32'] },
  s8: { size: 1, align: 1, flat: ['i32'] },
  u8: { size: 1, align: 1, flat: ['i32'] },
  s16: { size: 2, align: 2, flat: ['i32'] },
  u16: { size: 2, align: 2, flat: ['i32'] },
  s32: { size: 4, align: 4, flat: ['i32'] },
  u32: { size: 4, align: 4, flat: ['i32'] },
  s64: { size: 8, align: 8, flat: ['i64'] },
  u64: { size: 8, align: 8, flat: ['i64'] },
  f32: { size: 4, align: 4, flat: ['f32'] },
  f64: { size: 8, align: 8, flat: ['f64'] },
  char: { size: 4, align: 4, flat: ['i32'] },
  string: POINTER_AND_LENGTH,
};

export function alignTo(at: number, align: number): number {
  return Math.ceil(at / align) * align;
}

/** Bytes that tell which of so many cases a value has. */
export function discriminantSize(cases: number): 1 | 2 | 4 {
  return cases <= 256 ? 1 : cases <= 65_536 ? 2 : 4;
}

/** The cases of everything that is one of several: a variant, an option, a result, an enum. */
export function casesOf(def: LinkPlan['types'][number]): readonly (ValType | null)[] | undefined {
  switch (def.kind) {
    case 'variant':
      return def.cases.map(([, type]) => type);
    case 'option':
      return [null, def.of];
    case 'result':
      return [def.ok, def.err];
    case 'enum':
      return def.names.map(() => null);
    default:
      return undefined;
  }
}

export interface Layouts {
  of: (type: ValType) => Layout;
  product: (types: readonly ValType[]) => Layout;
}

/** Layouts of a plan's types, each worked out once. */
export function createLayouts(types: LinkPlan['types']): Layouts {
  const known = new Map<number, Layout>();

  function layoutOf(type: ValType): Layout {
    if (typeof type === 'string') return PRIMITIVE_LAYOUTS[type];
    let layout = known.get(type);
    if (!layout) {
      layout = compute(type);
      if (layout.size > MAX_SIZE) throw new RangeError('a type is larger than any value we move');
      known.set(type, layout);
    }
    return layout;
  }

  function compute(index: number): Layout {
    const def = types[index];
    if (!def) throw new RangeError(`there is no type ${index}`);
    switch (def.kind) {
      case 'record':
        return product(def.fields.map(([, field]) => layoutOf(field)));
      case 'tuple':
        return product(def.of.map(layoutOf));
      case 'list':
        return POINTER_AND_LENGTH;
      case 'own':
      case 'borrow':
        return PRIMITIVE_LAYOUTS.u32;
      case 'flags':
        return PRIMITIVE_LAYOUTS[def.names.length <= 8 ? 'u8' : def.names.length <= 16 ? 'u16' : 'u32'];
      default:
        return sum((casesOf(def) ?? []).map((type) => (type === null ? undefined : layoutOf(type))));
    }
  }
  return { of: layoutOf, product: (parts) => product(parts.map(layoutOf)) };
}

function product(parts: readonly Layout[]): Layout {
  let size = 0;
  let align = 1;
  let flat: FlatType[] | undefined = [];
  for (const part of parts) {
    size = alignTo(size, part.align) + part.size;
    align = Math.max(align, part.align);
    flat = flat && part.flat && bounded([...flat, ...part.flat]);
  }
  return { size: alignTo(size, align), align, flat };
}

function sum(cases: readonly (Layout | undefined)[]): Layout {
  const head = discriminantSize(cases.length);
  let payload = 0;
  let align: number = head;
  let flat: FlatType[] | undefined = [];
  for (const part of cases) {
    if (!part) continue;
    payload = Math.max(payload, part.size);
    align = Math.max(align, part.align);
    flat = flat && part.flat && joined(flat, part.flat);
  }
  const payloadAt = alignTo(head, Math.max(1, ...cases.map((part) => part?.align ?? 1)));
  return { size: alignTo(payloadAt + payload, align), align, flat: flat && bounded(['i32', ...flat]) };
}

/** What holds a part of either case. */
function joined(a: readonly FlatType[], b: readonly FlatType[]): FlatType[] {
  const length = Math.max(a.length, b.length);
  return Array.from({ length }, (_none, index) => {
    const [left, right] = [a[index], b[index]];
    if (left === undefined || right === undefined || left === right) return left ?? right ?? 'i32';
    const narrow = (type: FlatType): boolean => type === 'i32' || type === 'f32';
    return narrow(left) && narrow(right) ? 'i32' : 'i64';
  });
}

function bounded(flat: FlatType[]): FlatType[] | undefined {
  return flat.length > MAX_FLAT ? undefined : flat;
}
