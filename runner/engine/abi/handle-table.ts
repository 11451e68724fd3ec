import { trap } from './guest-memory.ts';

/** More at once is no sensible wish, and they take memory that is not the guest's. */
const MAX_HANDLES = 10_000;
const MAX_HELD_BYTES = 16 * 1024 * 1024;

/** Of all tables of a guest. */
interface Open {
  handles: number;
  heldBytes: number;
}

/** The resources of the host that one component instance holds, by the numbers it knows them by. */
export class HandleTable {
  readonly #open: Open;
  readonly #borrowed = new Set<number>();
  #objects: (object | undefined)[] = [undefined];
  #free: number[] = [];
  /** What language runtimes keep for the length of a call, by slot. */
  context: number[] = [];

  /** `open` counts those of all tables of a guest. */
  constructor(open = { handles: 0, heldBytes: 0 }) {
    this.#open = open;
  }

  add(object: object, borrowed = false): number {
    if (this.#open.handles >= MAX_HANDLES) throw trap('too many handles are open');
    if (this.#open.heldBytes + mostBytesOf(object) > MAX_HELD_BYTES) {
      throw trap('the resources that are open may hold too much');
    }
    this.#count(object, 1);
    const handle = this.#free.pop() ?? this.#objects.length;
    this.#objects[handle] = object;
    if (borrowed) this.#borrowed.add(handle);
    return handle;
  }

  get(handle: number): object {
    const object = this.#objects[handle];
    if (object === undefined) throw trap(`there is no handle ${handle}`);
    return object;
  }

  /** Gives the resource itself away. */
  remove(handle: number): object {
    if (this.#borrowed.has(handle)) throw trap(`handle ${handle} is borrowed and given away`);
    return this.#take(handle);
  }

  drop(handle: number): void {
    const isBorrowed = this.#borrowed.delete(handle);
    const object = this.#take(handle);
    if (!isBorrowed) dispose(object);
  }

  /** How many handles are held for the length of a call only. */
  get borrows(): number {
    return this.#borrowed.size;
  }

  #take(handle: number): object {
    const object = this.get(handle);
    this.#objects[handle] = undefined;
    this.#free.push(handle);
    this.#count(object, -1);
    return object;
  }

  /** Whether everything it holds is of such a kind. */
  holdsOnly(isSuch: (object: object) => boolean): boolean {
    return this.#objects.every((object) => object === undefined || isSuch(object));
  }

  #count(object: object, by: 1 | -1): void {
    this.#open.handles += by;
    this.#open.heldBytes += by * mostBytesOf(object);
  }

  /** A call enters the component instance: its context is empty. */
  beginTask(): void {
    if (this.context.length > 0) this.context = [];
  }

  /** As in a new instance, which holds nothing. */
  clear(): void {
    if (this.#objects.length === 1) return;
    for (const [handle, object] of this.#objects.entries()) {
      if (!object) continue;
      this.#count(object, -1);
      if (!this.#borrowed.has(handle)) dispose(object);
    }
    this.beginTask();
    this.#borrowed.clear();
    this.#objects = [undefined];
    this.#free = [];
  }
}

/** Some resources of the host hold what the guest gave them, which is not the guest's memory; they say how much it may become. */
function mostBytesOf(object: object): number {
  return 'mostBytes' in object && typeof object.mostBytes === 'number' ? object.mostBytes : 0;
}

/** Some resources of the host have something to let go of. */
function dispose(object: object): void {
  if (Symbol.dispose in object) (object as Disposable)[Symbol.dispose]();
}
