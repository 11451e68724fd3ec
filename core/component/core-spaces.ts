import { malformed, type BinaryReader } from '../wasm/binary.ts';
import { readName, readVector, UnlinkableError } from './decode-types.ts';
import type { CoreExport, CoreImport, CoreNamespace, Step } from './plan.ts';

/** Sorts of core items, as in `core:sort`. */
const FUNC = 0x00;
const MEMORY = 0x02;

/** The core index spaces of one component instance; `steps` and `modules` are those of all. */
export class CoreSpaces {
  readonly #allModules: Uint8Array[];
  readonly #steps: Step[];
  /** By this component's own numbers. */
  readonly #modules: number[] = [];
  readonly #instances: CoreNamespace[] = [];
  readonly #funcs: CoreImport[] = [];
  /** Tables, memories, globals and tags, by sort. */
  readonly #items = new Map<number, CoreExport[]>();

  constructor(modules: Uint8Array[], steps: Step[]) {
    this.#allModules = modules;
    this.#steps = steps;
  }

  addModule(bytes: Uint8Array): void {
    this.#modules.push(this.#allModules.push(bytes) - 1);
  }

  addFunction(func: CoreImport): void {
    this.#funcs.push(func);
  }

  readInstance(reader: BinaryReader): void {
    this.#instances.push(this.#instance(reader));
  }

  #instance(reader: BinaryReader): CoreNamespace {
    if (reader.byte() === 0x01) {
      return {
        items: readVector(reader, (): [string, CoreImport] => [readName(reader), this.#readItem(reader)]),
      };
    }
    const module = at(this.#modules, reader.u32(), 'core module');
    // Its memory cap is written into a module, so one instantiated twice would have it twice.
    if (this.#steps.some((step) => step.module === module)) {
      throw new UnlinkableError('a core module that is instantiated twice');
    }
    const imports = readVector(reader, (): [string, CoreNamespace] => {
      const name = readName(reader);
      reader.byte(); // the sort, which is always an instance
      return [name, at(this.#instances, reader.u32(), 'core instance')];
    });
    return { instance: this.#steps.push({ module, imports }) - 1 };
  }

  #readItem(reader: BinaryReader): CoreImport {
    const sort = reader.byte();
    if (sort === FUNC) return at(this.#funcs, reader.u32(), 'core function');
    return this.#item(sort, reader.u32());
  }

  #item(sort: number, index: number): CoreExport {
    return at(this.#items.get(sort) ?? [], index, 'core item');
  }

  /** An alias of what a core instance exports. */
  readAlias(sort: number, reader: BinaryReader): void {
    const from = at(this.#instances, reader.u32(), 'core instance');
    if (!('instance' in from)) throw new UnlinkableError('an alias of an item that is no export of a module');
    const item = { instance: from.instance, name: readName(reader) };
    if (sort === FUNC) {
      this.#funcs.push(item);
      return;
    }
    const items = this.#items.get(sort) ?? [];
    items.push(item);
    this.#items.set(sort, items);
  }

  memory(index: number): CoreExport {
    return this.#item(MEMORY, index);
  }

  /** A function of the guest itself. */
  func(index: number): CoreExport {
    const item = at(this.#funcs, index, 'core function');
    if (!('instance' in item)) throw new UnlinkableError('a host function where one of the guest is due');
    return item;
  }
}

export function at<T>(space: readonly T[], index: number, what: string): T {
  const item = space[index];
  if (item === undefined) throw malformed(`there is no ${what} ${index}`);
  return item;
}
