import type {
  CoreExport,
  CoreImport,
  FuncType,
  HostFunction,
  Lift,
  LinkPlan,
  Lower,
} from '../../../core/component/plan.ts';
import { camelCase } from '../../../core/world.ts';
import type { Converter, CoreValue, Place } from './converter.ts';
import { createConverters, type Converters } from './converters.ts';
import { GuestMemory, trap } from './guest-memory.ts';
import { dispose, HandleTable } from './handle-table.ts';

/** Functions and resource classes of the host by interface, under their JavaScript names. */
export type HostInterfaces = Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>;

type AnyFunction = (...args: unknown[]) => unknown;
/** Fuel for a call of the host, whatever it does. */
export const FUEL_PER_CALL = 100;

type CoreFunction = (...args: CoreValue[]) => CoreValue | undefined;

/** What an engine does around the instances of a component. */
export interface LinkHooks {
  instantiate(module: number, imports: WebAssembly.Imports): WebAssembly.Instance;
  /** Hears of all that the host writes into a memory. */
  written(memory: WebAssembly.Memory): (at: number, length: number) => void;
  /** Runs a function of the guest that may not wait: one with a frame of JavaScript below it. */
  withoutWaiting: <T>(run: () => T) => T;
  /** Takes fuel; throws where the guest may go no further. */
  charge: (fuel: number) => void;
}

export interface LinkedInstance {
  /** Calls `handler`. The guest goes on holding what it answered with. */
  handler(request: unknown): Promise<unknown>;
  /** Lets the guest free what it answered with; only an instance that serves again without being rewound needs it. */
  release(): void;
  /** Takes all resources from the guest, as in a new instance. */
  dropHandles(): void;
}

/** The parts of a component that all its instances share. */
export interface LinkedComponent {
  instantiate(host: HostInterfaces, hooks: LinkHooks): LinkedInstance;
}

/** `suspends` tells of which functions the guest waits (JSPI): `wasi:io/poll#poll`. */
export function linkComponent(
  plan: LinkPlan,
  options: { isOf: (resource: number, object: object) => boolean; suspends: (name: string) => boolean },
): LinkedComponent {
  const converters = createConverters(plan.types, options.isOf);
  const signatures = new Map<FuncType, Signature>();
  const signatureFor = (type: FuncType): Signature => {
    const known = signatures.get(type) ?? signatureOf(type, converters);
    signatures.set(type, known);
    return known;
  };

  return {
    instantiate(host, hooks) {
      const instances: WebAssembly.Instance[] = [];
      const border = { open: true };
      const open = { handles: 0 };
      const tables = Array.from({ length: plan.handleTables }, () => new HandleTable(open));
      const tableOf = (number: number): HandleTable => {
        const table = tables[number];
        if (!table) throw new RangeError(`there is no table of handles ${number}`);
        return table;
      };
      const exportOf = ({ instance, name }: CoreExport): unknown => {
        const value = instances[instance]?.exports[name];
        if (value === undefined) throw new WebAssembly.LinkError(`no core export ${name}`);
        return value;
      };
      const places = new Map<string, Place>();
      // Found late: a function is lowered for one module with the memory of a later one.
      const placeOf = ({
        memory,
        realloc,
        handles,
      }: Pick<Lower, 'memory' | 'realloc' | 'handles'>): Place => {
        const key = JSON.stringify([memory, realloc, handles]);
        let place = places.get(key);
        if (!place) {
          const guestMemory = memoryOf(memory, realloc, { exportOf, hooks, border });
          place = { handles: tableOf(handles), memory: guestMemory };
          places.set(key, place);
        }
        return place;
      };
      const liftedOf = (lift: Lift): Lifted => ({
        signature: signatureFor(lift.type),
        place: placeOf(lift),
        run: exportOf(lift.function) as CoreFunction,
        free: lift.postReturn && (exportOf(lift.postReturn) as CoreFunction),
      });

      const lowered = plan.lowers.map((lower) => {
        const { target } = lower;
        const call =
          'lift' in target
            ? betweenComponents(() => liftedOf(target.lift), hooks)
            : hostFunction(host, target);
        let place: Place | undefined;
        const run = lowerFunction(signatureFor(lower.type), call, () => (place ??= placeOf(lower)), {
          border,
          hooks,
        });
        const waits = !('lift' in target) && options.suspends(`${target.interface}#${target.name}`);
        return waits ? new WebAssembly.Suspending(run) : run;
      });
      const importOf = (item: CoreImport): unknown => {
        if ('lower' in item) return lowered[item.lower];
        if (!('drop' in item)) return exportOf(item);
        const table = tableOf(item.handles);
        return (handle: CoreValue): void => {
          dispose(table.remove((handle as number) >>> 0));
        };
      };

      for (const { module, imports } of plan.steps) {
        const given = imports.map(([name, namespace]) => {
          if ('instance' in namespace) return [name, instances[namespace.instance]?.exports ?? {}] as const;
          return [name, record(namespace.items.map(([field, item]) => [field, importOf(item)]))] as const;
        });
        instances.push(hooks.instantiate(module, record(given)));
      }

      const { signature, place, run, free } = liftedOf(plan.handler);
      const handler = WebAssembly.promising(run);
      let held: CoreValue | undefined;
      return {
        async handler(request) {
          const args = lowerArguments(signature, place, [request]);
          held = (await handler(...args)) as CoreValue;
          return liftResult(signature, place, held);
        },
        release() {
          if (free && held !== undefined) free(held);
          held = undefined;
        },
        dropHandles() {
          for (const table of tables) table.clear();
        },
      };
    },
  };
}

/** A function of a component in one of its instances. */
interface Lifted {
  signature: Signature;
  place: Place;
  run: CoreFunction;
  free: CoreFunction | undefined;
}

/** From one component within the guest to another. The one that is called cannot wait for the host: a frame of ours lies below it. */
function betweenComponents(lifted: () => Lifted, { withoutWaiting }: LinkHooks): AnyFunction {
  return (...values) => {
    const { signature, place, run, free } = lifted();
    const args = lowerArguments(signature, place, values);
    const answered = withoutWaiting(() => run(...args));
    if (answered === undefined) return undefined;
    const value = liftResult(signature, place, answered);
    if (free) withoutWaiting(() => free(answered));
    if (!signature.throws) return value;
    const { tag, val } = value as { tag: 'ok' | 'err'; val: unknown };
    if (tag === 'ok') return val;
    throw Object.assign(new Error('an error of another component'), { payload: val });
  };
}

/** A function type as calls need it. */
interface Signature {
  params: Converter;
  /** Bytes that the parameters take in memory, where they are too many for the stack. */
  paramsInMemory: { size: number; align: number } | undefined;
  result: Converter | undefined;
  resultInMemory: boolean;
  /** A result's error case is thrown by the host, with its payload. */
  throws: boolean;
}

function signatureOf({ params, result }: FuncType, converters: Converters): Signature {
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

/** A host function as a core function of the guest; it answers with a promise where the host does. */
function lowerFunction(
  { params, paramsInMemory, result, resultInMemory, throws }: Signature,
  call: AnyFunction,
  place: () => Place,
  { border, hooks }: Pick<Around, 'border' | 'hooks'>,
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
    if (!border.open) throw trap('the guest calls the host while the host makes room in it');
    hooks.charge(FUEL_PER_CALL);
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
    return answered.then(
      (value) => succeed(value, args),
      (err: unknown) => fail(err, args),
    );
  };
}

function lowerArguments(
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

function liftResult({ result, resultInMemory }: Signature, place: Place, answered: CoreValue): unknown {
  if (!result) return undefined;
  place.memory.beginValues();
  return resultInMemory
    ? result.load(place, (answered as number) >>> 0)
    : result.lift(place, { values: [answered], at: 0 });
}

interface Around {
  exportOf: (item: CoreExport) => unknown;
  hooks: LinkHooks;
  border: { open: boolean };
}

function memoryOf(
  memory: CoreExport | undefined,
  realloc: CoreExport | undefined,
  { exportOf, hooks, border }: Around,
): GuestMemory {
  // A function whose values need no memory names none, and asks nothing of this one.
  const linear = memory ? (exportOf(memory) as WebAssembly.Memory) : new WebAssembly.Memory({ initial: 0 });
  const allocate = realloc && (exportOf(realloc) as (...args: number[]) => number);
  return new GuestMemory(
    linear,
    (...args) => {
      if (!allocate) throw trap('a value needs room and there is no realloc');
      border.open = false;
      try {
        return hooks.withoutWaiting(() => allocate(...args));
      } finally {
        border.open = true;
      }
    },
    memory ? hooks.written(linear) : () => undefined,
    hooks.charge,
  );
}

/** `[method]pollable.block`, `[static]fields.from-list`, `[constructor]fields` or a plain name. */
const MEMBER = /^\[(method|static|constructor)\]([a-z0-9-]+)(?:\.([a-z0-9-]+))?$/;

/** What the host itself has under the name, and nothing that is inherited; what is missing traps when it is called. */
function hostFunction(host: HostInterfaces, { interface: interfaceName, name }: HostFunction): AnyFunction {
  const functions = ownOf(host, interfaceName);
  const [, kind, resource = '', member = ''] = MEMBER.exec(name) ?? [];
  if (kind === undefined) return functionOf(ownOf(functions, camelCase(name)), name);
  const type = ownOf(functions, className(resource));
  if (typeof type !== 'function') return functionOf(undefined, name);
  if (kind === 'constructor') return (...args) => new (type as new (...args: unknown[]) => object)(...args);
  if (kind === 'static') return functionOf(ownOf(type, camelCase(member)), name);
  const method = functionOf(ownOf(type.prototype, camelCase(member)), name);
  return (self, ...args) => method.call(self, ...args);
}

function ownOf(holder: unknown, key: string): unknown {
  const isHolder = (typeof holder === 'object' && holder !== null) || typeof holder === 'function';
  return isHolder && Object.hasOwn(holder, key) ? (holder as Record<string, unknown>)[key] : undefined;
}

function functionOf(value: unknown, name: string): AnyFunction {
  if (typeof value === 'function') return value as AnyFunction;
  return () => {
    throw trap(`the host has no ${name}`);
  };
}

/** `OutputStream` of `output-stream`. */
export function className(witName: string): string {
  return camelCase(`-${witName}`);
}

/** Without a prototype: names are the publisher's. */
function record<T>(entries: readonly (readonly [string, T])[]): Record<string, T> {
  return Object.assign(Object.create(null) as Record<string, T>, Object.fromEntries(entries));
}
