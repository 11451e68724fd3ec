import { setTimeout } from 'node:timers/promises';

const MAX_TIMER_MS = 2 ** 31 - 1;

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

/** Ready at a moment of `performance.now()`. It holds no timer, since a guest may make any number of them. */
export class Pollable {
  readonly readyAt: number;

  constructor(readyAt = 0) {
    this.readyAt = readyAt;
  }

  ready(): boolean {
    return performance.now() >= this.readyAt;
  }

  async block(): Promise<void> {
    await poll([this]);
  }
}

/** Indexes of the pollables that are ready, after at least one is. */
export async function poll(pollables: readonly Pollable[]): Promise<Uint32Array> {
  if (pollables.length === 0) throw new WebAssembly.RuntimeError('the guest polls nothing');
  const earliest = pollables.reduce((least, { readyAt }) => Math.min(least, readyAt), Infinity);
  // A timer may fire a little early, and reaches no further than MAX_TIMER_MS.
  for (let left = earliest - performance.now(); left > 0; left = earliest - performance.now()) {
    await setTimeout(Math.min(left, MAX_TIMER_MS));
  }
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
