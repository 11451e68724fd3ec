import type { FuncType } from '../../../core/component/plan.ts';
import type { Converter, CoreValue, Place } from './converter.ts';
import type { Converters } from './converters.ts';
import { trap } from './guest-memory.ts';
import type { AnyFunction } from './host-function.ts';

/** Closed while the host makes room in the guest, and while that frees its answer: it may call nothing then (`may_leave` of the canonical ABI). */
export interface Border {
  open: boolean;
}

/** A function type as calls need it. */
export interface Signature {
  params: Converter;
  /** Bytes that the parameters take in memory, where they are too many for the stack. */
  paramsInMemory: { size: number; align: number } | undefined;
  result: Converter | undefined;
  resultInMemory: boolean;
  /** A result's error case is thrown by the host, with its payload. */
  throws: boolean;
}

export function signatureOf({ params, result }: FuncType, converters: Converters): Signature {
  const { layout, converter } = converters.productOf(params);
  const resultFlat = result === null ? [] : converters.layoutOf(result).flat;
  return {
    params: converter,
    paramsInMemory: layout.flat ? undefined : layout,
    result: result === null ? undefined : converters.converterOf(result),
    resultInMemory: resultFlat === undefined || resultFlat.length > 1,
    throws: result !== null && converters.isResult(result),
  };
}

/** Throws where the guest may not leave. */
export function checkOpen(border: Border): void {
  if (!border.open) {
    throw trap('the guest calls out while the host makes room in it, or when it has answered');
  }
}

/** A host function as a core function of the guest; it answers with a promise where the host does. */
export function lowerFunction(
  { params, paramsInMemory, result, resultInMemory, throws }: Signature,
  call: AnyFunction,
  place: () => Place,
  { border, chargeCall, onWait }: { border: Border; chargeCall: () => void; onWait: () => void },
): (...args: CoreValue[]) => unknown {
  const finish = (value: unknown, args: readonly CoreValue[]): CoreValue | undefined => {
    if (!result) return undefined;
    if (resultInMemory) {
      result.store(place(), (args.at(-1) as number) >>> 0, value);
      return undefined;
    }
    const out: CoreValue[] = [];
    result.lower(place(), value, out);
    return out[0];
  };
  const succeed = (value: unknown, args: readonly CoreValue[]): CoreValue | undefined =>
    finish(throws ? { tag: 'ok', val: value } : value, args);
  const fail = (err: unknown, args: readonly CoreValue[]): CoreValue | undefined => {
    if (!throws || !(err instanceof Error) || !('payload' in err)) throw err;
    return finish({ tag: 'err', val: err.payload }, args);
  };

  return (...args) => {
    checkOpen(border);
    chargeCall();
    place().memory.beginValues();
    const values = (
      paramsInMemory
        ? params.load(place(), (args[0] as number) >>> 0)
        : params.lift(place(), { values: args, at: 0 })
    ) as unknown[];
    let answered: unknown;
    try {
      answered = call(...values);
    } catch (err) {
      return fail(err, args);
    }
    if (!(answered instanceof Promise)) return succeed(answered, args);
    onWait();
    return answered.then(
      (value) => succeed(value, args),
      (err: unknown) => fail(err, args),
    );
  };
}

export function lowerArguments(
  { params, paramsInMemory }: Signature,
  place: Place,
  values: readonly unknown[],
): CoreValue[] {
  const args: CoreValue[] = [];
  if (paramsInMemory) {
    const at = place.memory.allocate(paramsInMemory.size, paramsInMemory.align);
    params.store(place, at, values);
    args.push(at);
  } else params.lower(place, values, args);
  return args;
}

export function liftResult(
  { result, resultInMemory }: Signature,
  place: Place,
  answered: CoreValue,
): unknown {
  if (!result) return undefined;
  place.memory.beginValues();
  return resultInMemory
    ? result.load(place, (answered as number) >>> 0)
    : result.lift(place, { values: [answered], at: 0 });
}
