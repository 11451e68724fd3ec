import { trap } from './guest-memory.ts';

/** More at once is no sensible wish, and they take memory that is not the guest's. */
const MAX_HANDLES = 10_000;

/** The resources of the host that one component instance holds, by the numbers it knows them by. */
export class HandleTable {
  readonly #open: { handles: number };
  #objects: (object | undefined)[] = [undefined];
  #free: number[] = [];

  /** `open` counts those of all tables of a guest. */
  constructor(open = { handles: 0 }) {
    this.#open = open;
  }

  add(object: object): number {
    if (this.#open.handles >= MAX_HANDLES) throw trap('too many handles are open');
    this.#open.handles += 1;
    const handle = this.#free.pop() ?? this.#objects.length;
    this.#objects[handle] = object;
    return handle;
  }

  get(handle: number): object {
    const object = this.#objects[handle];
    if (object === undefined) throw trap(`there is no handle ${handle}`);
    return object;
  }

  remove(handle: number): object {
    const object = this.get(handle);
    this.#objects[handle] = undefined;
    this.#free.push(handle);
    this.#open.handles -= 1;
    return object;
  }

  /** As in a new instance, which holds nothing. */
  clear(): void {
    for (const object of this.#objects) {
      if (!object) continue;
      this.#open.handles -= 1;
      dispose(object);
    }
    this.#objects = [undefined];
    this.#free = [];
  }
}

/** Some resources of the host have something to let go of. */
export function dispose(object: object): void {
  if (Symbol.dispose in object) (object as Disposable)[Symbol.dispose]();
}
