/** Milliseconds. */
export interface Clock {
  now(): number;
  sleep(milliseconds: number): Promise<void>;
}

/** What a stream is waited for with: it is always ready. */
const STOPPED: Clock = { now: () => 0, sleep: () => Promise.resolve() };

/** The shape in which jco's glue takes the error case of a WIT `result`. */
export function witError(payload: unknown): Error {
  return Object.assign(new Error('an error of the WIT interface'), { payload });
}

/** A resource that a guest can name and never hold, because nothing hands one out. */
export class UnheldResource {
  readonly held = false;
}

export class IoError {
  toDebugString(): string {
    return 'no access';
  }
}

/** Ready at a moment of its clock. It holds no timer, since a guest may make any number of them. */
export class Pollable {
  readonly clock: Clock;
  readonly readyAt: number;

  constructor(clock = STOPPED, readyAt = 0) {
    this.clock = clock;
    this.readyAt = readyAt;
  }

  get left(): number {
    return this.readyAt - this.clock.now();
  }

  ready(): boolean {
    return this.left <= 0;
  }

  async block(): Promise<void> {
    await poll([this]);
  }
}

/** Indexes of the pollables that are ready, after at least one is. */
export async function poll(pollables: readonly Pollable[]): Promise<Uint32Array> {
  const [first, ...rest] = pollables;
  if (!first) throw new WebAssembly.RuntimeError('the guest polls nothing');
  const earliest = rest.reduce((least, pollable) => (pollable.left < least.left ? pollable : least), first);
  // A timer may fire a little early, and reaches only so far.
  for (let left = earliest.left; left > 0; left = earliest.left) await earliest.clock.sleep(left);
  return Uint32Array.from([...pollables.keys()].filter((index) => pollables[index]?.ready()));
}

/** A stream that has ended. */
export class InputStream {
  read(): never {
    throw witError({ tag: 'closed' });
  }

  blockingRead(): never {
    return this.read();
  }

  skip(): never {
    return this.read();
  }

  blockingSkip(): never {
    return this.read();
  }

  subscribe(): Pollable {
    return new Pollable();
  }
}

const WRITE_LIMIT = 64 * 1024;

/** Hands what is written on at once, so that a flush has nothing to wait for. */
export class OutputStream {
  readonly #write: (bytes: Uint8Array) => void;

  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write;
  }

  checkWrite(): bigint {
    return BigInt(WRITE_LIMIT);
  }

  write(bytes: Uint8Array): void {
    this.#write(bytes);
  }

  blockingWriteAndFlush(bytes: Uint8Array): void {
    this.#write(bytes);
  }

  writeZeroes(length: bigint): void {
    if (length > WRITE_LIMIT) throw witError({ tag: 'closed' });
    this.#write(new Uint8Array(Number(length)));
  }

  blockingWriteZeroesAndFlush(length: bigint): void {
    this.writeZeroes(length);
  }

  splice(): never {
    throw witError({ tag: 'closed' });
  }

  blockingSplice(): never {
    return this.splice();
  }

  flush(): void {
    // Nothing is held back.
  }

  blockingFlush(): void {
    // Nothing is held back.
  }

  subscribe(): Pollable {
    return new Pollable();
  }
}
