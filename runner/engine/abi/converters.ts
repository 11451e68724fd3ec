import type { LinkPlan, TypeDef, ValType } from '../../../core/component/plan.ts';
import { camelCase } from '../../../core/world.ts';
import type { Converter } from './converter.ts';
import { bytesConverter, listConverter, productConverter, sumConverter, type Part } from './compounds.ts';
import { casesOf, createLayouts, type Layout } from './layout.ts';
import { enumConverter, flagsConverter, handleConverter, PRIMITIVE_CONVERTERS } from './primitives.ts';

/** Layout and converter of every type of a plan, each made once. */
export interface Converters {
  layoutOf(type: ValType): Layout;
  converterOf(type: ValType): Converter;
  isResult(type: ValType): boolean;
  /** Several parameters as one product. */
  productOf(types: readonly ValType[]): { layout: Layout; converter: Converter };
}

/**
 * In JavaScript a record is an object and a tuple an array, an enum its case's name, an option the value or undefined, a variant
 * `{tag, val}`, a result `{tag: 'ok' | 'err', val}`, flags an object of booleans, a 64-bit number a bigint. `isOf` tells whether an object is of the
 * plan's resource of that number.
 */
export function createConverters(
  types: LinkPlan['types'],
  isOf: (resource: number, object: object) => boolean,
): Converters {
  const layouts = createLayouts(types);
  const known = new Map<number, Converter>();

  const partOf = (type: ValType): Part => ({ converter: converterOf(type), layout: layouts.of(type) });

  function converterOf(type: ValType): Converter {
    if (typeof type === 'string') return PRIMITIVE_CONVERTERS[type];
    let converter = known.get(type);
    if (!converter) {
      const def = types[type];
      if (!def) throw new RangeError(`there is no type ${type}`);
      converter = make(def, layouts.of(type));
      known.set(type, converter);
    }
    return converter;
  }

  function make(def: TypeDef, layout: Layout): Converter {
    switch (def.kind) {
      case 'record': {
        const keys = def.fields.map(([name]) => camelCase(name));
        const empty: Record<string, unknown> = Object.fromEntries(keys.map((key) => [key, undefined]));
        return productConverter(
          def.fields.map(([, type]) => partOf(type)),
          { keys, create: () => ({ ...empty }) },
        );
      }
      case 'tuple':
        return tuple(def.of);
      case 'list':
        return def.of === 'u8' ? bytesConverter : listConverter(partOf(def.of));
      case 'flags':
        return flagsConverter(baseOf(layout), def.names.map(camelCase));
      case 'enum':
        return enumConverter(baseOf(layout), def.names);
      case 'own':
      case 'borrow':
        return handleConverter((object) => isOf(def.resource, object), def.kind === 'own');
      default:
        return choice(def, layout);
    }
  }

  function choice(
    def: Extract<TypeDef, { kind: 'variant' | 'option' | 'result' }>,
    layout: Layout,
  ): Converter {
    const parts = (casesOf(def) ?? []).map((type) => (type === null ? undefined : partOf(type)));
    if (def.kind === 'option') {
      return sumConverter(parts, layout.flat, {
        make: (_index, payload) => payload,
        indexOf: (value) => (value === undefined || value === null ? 0 : 1),
        payloadOf: (value) => value,
      });
    }
    const tags = def.kind === 'result' ? ['ok', 'err'] : def.cases.map(([name]) => name);
    return sumConverter(parts, layout.flat, {
      make: (index, val) => ({ tag: tags[index], val }),
      indexOf(value) {
        const { tag } = value as { tag: string };
        const index = tags.indexOf(tag);
        if (index < 0) throw new TypeError(`a value has no case ${tag}`);
        return index;
      },
      payloadOf: (value) => (value as { val?: unknown }).val,
    });
  }

  function tuple(of: readonly ValType[]): Converter {
    return productConverter(of.map(partOf), {
      keys: [...of.keys()],
      create: () => [] as unknown[] as Record<number, unknown>,
    });
  }

  return {
    layoutOf: layouts.of,
    converterOf,
    isResult: (type) => typeof type === 'number' && types[type]?.kind === 'result',
    productOf: (of) => ({ layout: layouts.product(of), converter: tuple(of) }),
  };
}

/** What an enum or flags travel as. */
function baseOf({ size }: Layout): Converter {
  return PRIMITIVE_CONVERTERS[size === 1 ? 'u8' : size === 2 ? 'u16' : 'u32'];
}
