import { EXPORT, GO_ON, IMPORT, RESERVED, STOP, TAKE_TURN } from '../../core/wasm/reserved.ts';

export interface HostOptions {
  /** Fuel for everything, handed out in slices; without it there is always more. */
  fuel?: number;
  slice?: number;
  /** Called in between when the guest is asked to take a turn. */
  turn?: () => number | Promise<number>;
  suspends?: boolean;
}

export interface RewrittenHost {
  /** Of all instances, with their maps. */
  readonly memories: { memory: WebAssembly.Memory; map: WebAssembly.Memory }[];
  readonly instances: WebAssembly.Instance[];
  readonly outOfFuel: boolean;
  readonly fuelUsed: number;
  instantiate(module: WebAssembly.Module, imports?: WebAssembly.Imports): WebAssembly.Instance;
}

/** The host's side of rewritten core modules that make up one instance: what the engine does, with nothing left out. */
export function createRewrittenHost({
  fuel = Infinity,
  slice = 2 ** 20,
  turn,
  suspends,
}: HostOptions = {}): RewrittenHost {
  const left = new WebAssembly.Global<number>({ value: 'i32', mutable: true }, 0);
  const maps = new Map<unknown, WebAssembly.Memory>();
  const memories: { memory: WebAssembly.Memory; map: WebAssembly.Memory }[] = [];
  const instances: WebAssembly.Instance[] = [];
  let handedOut = 0;
  let outOfFuel = false;

  function spent(): number {
    const more = Math.min(slice, fuel - handedOut);
    // What was taken beyond the slice is owed.
    handedOut += more;
    left.value += more;
    if (left.value < 0) {
      if (more > 0) return spent();
      outOfFuel = true;
      return STOP;
    }
    return turn ? TAKE_TURN : GO_ON;
  }

  return {
    memories,
    instances,
    get outOfFuel(): boolean {
      return outOfFuel;
    },
    get fuelUsed(): number {
      return handedOut - left.value;
    },
    instantiate(module: WebAssembly.Module, imports: WebAssembly.Imports = {}): WebAssembly.Instance {
      const described = WebAssembly.Module.imports(module);
      const from = described.find(({ module: name, kind }) => kind === 'memory' && name !== RESERVED);
      const map = from && maps.get(imports[from.module]?.[from.name]);
      const instance = new WebAssembly.Instance(module, {
        ...imports,
        [RESERVED]: {
          [IMPORT.fuel]: left,
          [IMPORT.spent]: spent,
          [IMPORT.turn]: suspends
            ? new WebAssembly.Suspending(turn ?? (() => GO_ON))
            : (turn ?? (() => GO_ON)),
          ...(map && { [IMPORT.map]: map }),
        },
      });
      const own = instance.exports[EXPORT.map] as WebAssembly.Memory | undefined;
      if (own) {
        const memory = instance.exports[EXPORT.memory] as WebAssembly.Memory;
        maps.set(memory, own);
        memories.push({ memory, map: own });
      }
      instances.push(instance);
      return instance;
    },
  };
}
