import { encodeU32 } from '../../core/wasm/binary.ts';

/** A value of WebAssembly, exact: the bits as an unsigned number in decimal, `null`, or lanes of them. */
export interface ExactValue {
  type: string;
  value?: string | string[];
  lane_type?: string;
  /** Of `either`, any of which may come. */
  values?: ExactValue[];
}

const TYPES: Readonly<Record<string, number>> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };
const REFERENCES: Readonly<Record<string, number>> = { funcref: 0x70, externref: 0x6f };
const LANE_BYTES: Readonly<Record<string, number>> = { i8: 1, i16: 2, i32: 4, i64: 8, f32: 4, f64: 8 };

/** What JavaScript can pass without losing a bit. */
const PASSED_AS: Readonly<Record<string, readonly string[]>> = {
  f32: ['i32'],
  f64: ['i64'],
  v128: ['i64', 'i64'],
};
const passedAs = (type: string): readonly string[] => PASSED_AS[type] ?? [type];
const typeByte = (type: string): number => TYPES[type] ?? REFERENCES[type] ?? 0x6f;

/**
 * A module whose function `g` takes and returns the bits of another's floats and vectors, which JavaScript cannot hold or would change;
 * it imports the other as `m.f`.
 */
function exactCaller(parameters: readonly string[], results: readonly string[]): WebAssembly.Module {
  const flat = parameters.flatMap(passedAs);
  const locals = results.map((type) => [1, typeByte(type)]);
  let next = 0;
  const load = parameters.flatMap((type) => {
    const at = next;
    next += passedAs(type).length;
    switch (type) {
      case 'f32':
        return [0x20, at, 0xbe]; // f32.reinterpret_i32
      case 'f64':
        return [0x20, at, 0xbf];
      case 'v128': // i64x2.splat, i64x2.replace_lane 1
        return [0x20, at, 0xfd, 0x12, 0x20, at + 1, 0xfd, 0x1e, 1];
      default:
        return [0x20, at];
    }
  });
  const keep = results.map((_type, nth) => [0x21, flat.length + nth]).reverse();
  const give = results.flatMap((type, nth) => {
    const local = [0x20, flat.length + nth];
    switch (type) {
      case 'f32':
        return [...local, 0xbc];
      case 'f64':
        return [...local, 0xbd];
      case 'v128': // i64x2.extract_lane
        return [...local, 0xfd, 0x1d, 0, ...local, 0xfd, 0x1d, 1];
      default:
        return local;
    }
  });
  const body = [locals.length, ...locals.flat(), ...load, 0x10, 0, ...keep.flat(), ...give, 0x0b];
  const functionType = (from: readonly string[], to: readonly string[]): number[] => [
    ...[0x60, from.length, ...from.map(typeByte)],
    ...[to.length, ...to.map(typeByte)],
  ];
  const section = (id: number, bytes: readonly number[]): number[] => [
    id,
    ...encodeU32(bytes.length),
    ...bytes,
  ];
  return new WebAssembly.Module(
    Uint8Array.from([
      ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
      ...section(1, [
        2,
        ...functionType(parameters, results),
        ...functionType(flat, results.flatMap(passedAs)),
      ]),
      ...section(2, [1, 1, 0x6d, 1, 0x66, 0x00, 0]),
      ...section(3, [1, 1]),
      ...section(7, [1, 1, 0x67, 0x00, 1]),
      ...section(10, [1, ...encodeU32(body.length), ...body]),
    ]),
  );
}

/** The arguments of an exact caller. */
function flatten({ type, value = 'null', lane_type: lane = 'i64' }: ExactValue): unknown[] {
  if (Array.isArray(value)) {
    const bytes = new DataView(new ArrayBuffer(16));
    value.forEach((text, nth) => {
      const size = LANE_BYTES[lane] ?? 8;
      const bits = BigInt.asUintN(size * 8, BigInt(text));
      for (let byte = 0; byte < size; byte += 1)
        bytes.setUint8(nth * size + byte, Number((bits >> BigInt(8 * byte)) & 0xffn));
    });
    return [bytes.getBigInt64(0, true), bytes.getBigInt64(8, true)];
  }
  if (value === 'null') return [null];
  switch (type) {
    case 'i32':
    case 'f32':
      return [Number(BigInt.asIntN(32, BigInt(value)))];
    case 'i64':
    case 'f64':
      return [BigInt.asIntN(64, BigInt(value))];
    default:
      return [Number(value)];
  }
}

type Call = (...args: unknown[]) => unknown;

/** Which types a function may have that is expected to trap, so that nothing is known of its results. */
const UNKNOWN_RESULTS = [[], ...Object.keys(TYPES).map((type) => [type])];

/** Calls functions of WebAssembly without losing a bit. */
export class ExactCalls {
  readonly #modules = new Map<string, WebAssembly.Module>();
  readonly #callers = new Map<Call, Map<string, Call>>();

  call(exported: Call, args: readonly ExactValue[], expected: readonly ExactValue[]): unknown[] {
    const parameters = args.map(({ type }) => type);
    const known = expected.map(({ type, values }) => values?.[0]?.type ?? type);
    const isPlain = (types: readonly string[]): boolean =>
      types.every((type) => PASSED_AS[type] === undefined);
    const call = isPlain(parameters) && isPlain(known) ? exported : this.#exact(exported, parameters, known);
    const result = call(...args.flatMap(flatten));
    if (result === undefined) return [];
    return Array.isArray(result) ? (result as unknown[]) : [result];
  }

  #exact(exported: Call, parameters: readonly string[], known: readonly string[]): Call {
    const key = `${parameters.join()}>${known.join()}`;
    const callers = this.#callers.get(exported) ?? new Map<string, Call>();
    this.#callers.set(exported, callers);
    const found = callers.get(key);
    if (found) return found;
    for (const results of known.length > 0 ? [known] : UNKNOWN_RESULTS) {
      try {
        const { exports } = new WebAssembly.Instance(this.#module(parameters, results), {
          m: { f: exported },
        });
        const caller = exports['g'] as Call;
        callers.set(key, caller);
        return caller;
      } catch (error) {
        if ((error as Error).name !== 'LinkError') throw error;
      }
    }
    throw new Error(`no caller for a function of ${key}`);
  }

  #module(parameters: readonly string[], results: readonly string[]): WebAssembly.Module {
    const key = `${parameters.join()}>${results.join()}`;
    const module = this.#modules.get(key) ?? exactCaller(parameters, results);
    this.#modules.set(key, module);
    return module;
  }
}
