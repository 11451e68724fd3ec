import { EXPORT, IMPORT, RESERVED } from '../../core/wasm/reserved.ts';
import type { FuelMeter } from './fuel-meter.ts';
import { beginningOf, KeptMemory, type Beginning } from './kept-memory.ts';

/**
 * The core instances of one component instance: gives rewritten modules what they import beside the guest's own imports, and knows all
 * state that rewinding must restore.
 */
export class CoreInstances {
  readonly #meter: FuelMeter;
  readonly #turn: WebAssembly.Suspending;
  /** The map of each memory that a module defines. */
  readonly #maps = new Map<WebAssembly.Memory, WebAssembly.Memory>();
  readonly #unmapped = new Set<WebAssembly.Memory>();
  readonly #exports: WebAssembly.Instance['exports'][] = [];
  readonly #kept: KeptMemory[] = [];
  readonly #keptBy = new Map<WebAssembly.Memory, KeptMemory>();

  constructor(meter: FuelMeter) {
    this.#meter = meter;
    this.#turn = new WebAssembly.Suspending(meter.turn);
  }

  instantiate(module: WebAssembly.Module, imports: WebAssembly.Imports = {}): WebAssembly.Instance {
    const instance = new WebAssembly.Instance(module, {
      ...imports,
      [RESERVED]: this.#reserved(module, imports),
    });
    const { [EXPORT.memory]: memory, [EXPORT.map]: map } = instance.exports;
    if (memory instanceof WebAssembly.Memory && map instanceof WebAssembly.Memory)
      this.#maps.set(memory, map);
    for (const value of Object.values(instance.exports)) {
      if (value instanceof WebAssembly.Memory && value !== map && !this.#maps.has(value))
        this.#unmapped.add(value);
    }
    this.#exports.push(instance.exports);
    return instance;
  }

  #reserved(module: WebAssembly.Module, imports: WebAssembly.Imports): Record<string, unknown> {
    const memory = WebAssembly.Module.imports(module).find(
      (entry) => entry.kind === 'memory' && entry.module !== RESERVED,
    );
    const imported = memory && imports[memory.module]?.[memory.name];
    return {
      [IMPORT.fuel]: this.#meter.global,
      [IMPORT.spent]: this.#meter.spent,
      [IMPORT.turn]: this.#turn,
      [IMPORT.map]: imported instanceof WebAssembly.Memory ? this.#maps.get(imported) : undefined,
    };
  }

  /** Remembers the state as it is now. `known` is how the memories of an instance began that began alike. */
  keep(rewindable: boolean, known?: readonly Beginning[]): Beginning[] {
    const beginnings: Beginning[] = [];
    for (const [memory, map] of this.#maps) {
      const same = known?.[beginnings.length];
      if (same) memory.grow(same.slackPages);
      const beginning = same ?? beginningOf(memory, rewindable);
      beginnings.push(beginning);
      const kept = new KeptMemory(memory, map, beginning);
      this.#kept.push(kept);
      this.#keptBy.set(memory, kept);
    }
    for (const exports of this.#exports) callIfThere(exports[EXPORT.save]);
    return beginnings;
  }

  /** Back to what was kept. False where that cannot be done: then the instance has served. */
  rewind(): boolean {
    if (!this.#kept.every((memory) => memory.rewind())) return false;
    for (const exports of this.#exports) callIfThere(exports[EXPORT.restore]);
    return true;
  }

  written(memory: WebAssembly.Memory): (at: number, length: number) => void {
    let kept: KeptMemory | undefined; // not yet, while the instance begins
    return (at, length) => (kept ??= this.#keptBy.get(memory))?.written(at, length);
  }

  /** What one call may use in all. */
  limitMemory(bytes: number): void {
    const others = this.#kept.reduce((sum, { pristineBytes }) => sum + pristineBytes, 0);
    for (const memory of this.#kept) memory.limitBytes = bytes - (others - memory.pristineBytes);
  }

  /** Undefined where the modules do not tell. */
  get growthRefused(): boolean | undefined {
    return this.#kept.length === 0 ? undefined : this.#kept.some((memory) => memory.growthRefused);
  }

  get memoryBytes(): number {
    let sum = 0;
    for (const memory of this.#unmapped) sum += memory.buffer.byteLength;
    if (this.#kept.length > 0) return this.#kept.reduce((total, { bytes }) => total + bytes, sum);
    for (const memory of this.#maps.keys()) sum += memory.buffer.byteLength;
    return sum;
  }
}

function callIfThere(value: unknown): void {
  if (typeof value === 'function') (value as () => void)();
}
