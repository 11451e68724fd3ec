import type {
  CoreExport,
  CoreImport,
  FuncType,
  Lift,
  LinkPlan,
  Lower,
} from '../../../core/component/plan.ts';
import {
  checkOpen,
  lowerArguments,
  lowerFunction,
  liftResult,
  signatureOf,
  type Border,
  type Signature,
} from './calls.ts';
import type { CoreValue, Place } from './converter.ts';
import { createConverters } from './converters.ts';
import { GuestMemory, trap } from './guest-memory.ts';
import { HandleTable } from './handle-table.ts';
import { taskFunction } from './task.ts';
import { hostFunction, type AnyFunction, type HostInterfaces } from './host-function.ts';

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
  /** The same for the beginning of a call of the host. */
  chargeCall: () => void;
  /** The guest waits for the host. */
  onWait: () => void;
}

export interface LinkedInstance {
  /** Calls `handler`. The guest goes on holding what it answered with: before the next call it is rewound, or frees that. */
  handler(request: unknown): Promise<unknown>;
  /** Has the guest free what it answered with. */
  freeAnswer(): Promise<void>;
  /** Whether all resources that the guest holds are of such a kind. */
  holdsOnly(isSuch: (object: object) => boolean): boolean;
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
      const border: Border = { open: true };
      const open = { handles: 0, heldBytes: 0 };
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
            ? betweenComponents(() => liftedOf(target.lift), { border, hooks })
            : hostFunction(host, target);
        let place: Place | undefined;
        const run = lowerFunction(signatureFor(lower.type), call, () => (place ??= placeOf(lower)), {
          border,
          chargeCall: hooks.chargeCall,
          onWait: hooks.onWait,
        });
        const waits = !('lift' in target) && options.suspends(`${target.interface}#${target.name}`);
        return waits ? new WebAssembly.Suspending(run) : run;
      });
      const importOf = (item: CoreImport): unknown => {
        if ('lower' in item) return lowered[item.lower];
        if ('instance' in item) return exportOf(item);
        const table = tableOf(item.handles);
        if ('task' in item) {
          const run = taskFunction(item, table);
          return (value: CoreValue): CoreValue | undefined => {
            hooks.chargeCall();
            return run(value);
          };
        }
        return (handle: CoreValue): void => {
          checkOpen(border);
          table.drop((handle as number) >>> 0);
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
      const freeing = free && WebAssembly.promising(free);
      let answer: CoreValue = 0;
      return {
        async handler(request) {
          place.handles.beginTask();
          const args = lowerArguments(signature, place, [request]);
          answer = (await handler(...args)) as CoreValue;
          return liftResult(signature, place, answer);
        },
        async freeAnswer() {
          border.open = false;
          try {
            await freeing?.(answer);
          } finally {
            border.open = true;
          }
        },
        holdsOnly: (isSuch) => tables.every((table) => table.holdsOnly(isSuch)),
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
function betweenComponents(
  lifted: () => Lifted,
  { border, hooks: { withoutWaiting } }: Omit<Around, 'exportOf'>,
): AnyFunction {
  return (...values) => {
    const { signature, place, run, free } = lifted();
    const { borrows } = place.handles;
    place.handles.beginTask();
    const args = lowerArguments(signature, place, values);
    const answered = withoutWaiting(() => run(...args));
    const value = answered === undefined ? undefined : liftResult(signature, place, answered);
    if (place.handles.borrows > borrows) throw trap('a borrowed handle is kept beyond the call');
    if (answered === undefined) return undefined;
    if (free) withClosed(border, () => withoutWaiting(() => free(answered)));
    if (!signature.throws) return value;
    const { tag, val } = value as { tag: 'ok' | 'err'; val: unknown };
    if (tag === 'ok') return val;
    throw Object.assign(new Error('an error of another component'), { payload: val });
  };
}

interface Around {
  exportOf: (item: CoreExport) => unknown;
  hooks: LinkHooks;
  border: Border;
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
      return withClosed(border, () => hooks.withoutWaiting(() => allocate(...args)));
    },
    memory ? hooks.written(linear) : () => undefined,
    hooks.charge,
  );
}

function withClosed<T>(border: Border, run: () => T): T {
  border.open = false;
  try {
    return run();
  } finally {
    border.open = true;
  }
}

/** Without a prototype: names are the publisher's. */
function record<T>(entries: readonly (readonly [string, T])[]): Record<string, T> {
  return Object.assign(Object.create(null) as Record<string, T>, Object.fromEntries(entries));
}
