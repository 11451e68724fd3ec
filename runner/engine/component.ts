import { randomFillSync } from 'node:crypto';
import type { FuelLimits, Stopped } from './fuel-meter.ts';
import type { GuestRequest, GuestResponse, Host } from './engine.ts';
import type { Call } from './host-imports.ts';

/** A component that was compiled; all its instances begin alike. */
export interface Component {
  /** Throws if what it computes at its beginning goes on at `deadline`, on the clock of `performance.now()`, or for too long. */
  instantiate(deadline?: number): Instance;
}

/** One instance of a component, which serves one call at a time. */
export interface Instance {
  run(
    request: GuestRequest,
    call: Call,
    limits: FuelLimits & { memoryBytes: number },
  ): Promise<GuestResponse>;
  /** Whatever it still does, it ends; it answers nobody. */
  abandon(): void;
  /** Makes it what it was before its call; false if it cannot be, and is to be thrown away. */
  rewind(): boolean;
  /** Leaves it as its call left it, to serve another one; false if it cannot, and is to be thrown away. Throws what the guest traps with. */
  stay(): Promise<boolean>;
  readonly memoryBytes: number;
  /** Whether the guest asked for more memory than it may have. */
  readonly outOfMemory: boolean;
  readonly fuel: number;
  /** Why it was stopped. */
  readonly stopped: Stopped | undefined;
}

/** The call that an instance serves; between calls there is none. */
export function createCurrentCall(): { get: () => Call; set: (call: Call | undefined) => void } {
  let current: Call | undefined;
  return {
    get() {
      if (!current) throw new WebAssembly.LinkError('the component calls the host outside of a call');
      return current;
    },
    set(call) {
      current = call;
    },
  };
}

export async function compileModules(
  coreModules: Readonly<Record<string, Uint8Array>>,
): Promise<ReadonlyMap<string, WebAssembly.Module>> {
  const compiled = Object.entries(coreModules).map(
    async ([name, bytes]) => [name, await WebAssembly.compile(bytes)] as const,
  );
  return new Map(await Promise.all(compiled));
}

export function moduleOf(modules: ReadonlyMap<string, WebAssembly.Module>, name: string): WebAssembly.Module {
  const module = modules.get(name);
  if (!module) throw new Error(`the artifact has no core module ${name}`);
  return module;
}

/**
 * What an instance has for a call while it begins: clock and randomness, which some language runtimes ask for at once, and nothing else.
 * `asked` tells whether it did: then no two instances begin alike.
 */
export function createStartCall(): { call: Call; asked: () => boolean } {
  let asked = false;
  const asking = <Value>(value: Value): Value => {
    asked = true;
    return value;
  };
  const refuse = (): never => {
    throw new WebAssembly.LinkError('the component calls the host while it is instantiated');
  };
  const host: Host = {
    monotonicNow: () => asking(performance.now()),
    wallNow: () => asking(Date.now()),
    fillRandom: (bytes) => void randomFillSync(asking(bytes)),
    sleep: refuse,
    call: refuse,
    output: () => undefined,
  };
  return { call: { host, deadline: 0, wroteToStderr: false }, asked: () => asked };
}
