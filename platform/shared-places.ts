import { PlatformError } from '../core/errors.ts';

/** Work by key: how much of each runs at once depends on what the others have under way. */
export interface SharedPlaces {
  /** Throws CONCURRENCY_LIMITED; what its signal throws if that aborts before the work's turn. */
  run<Result>(key: string, signal: AbortSignal, work: () => Promise<Result>): Promise<Result>;
  /** Keys with work. */
  readonly size: number;
}

export interface PlaceLimits {
  /** Of each key, beside what all share: so much never waits for another key. */
  readonly own: number;
  readonly shared: number;
  /** Of each key at most, its own places included. */
  readonly atOnce: number;
  /** Of each key; what comes on top is refused. */
  readonly waiting: number;
}

interface Queue {
  running: number;
  waiting: Set<() => void>;
}

/**
 * A key gets another shared place while it has fewer of them than are free, so there is room for whoever comes next, and the more have work
 * that holds its places, the less each has. One that becomes free goes to the key that has fewest.
 */
export function createSharedPlaces({ own, shared, atOnce, waiting: mostWaiting }: PlaceLimits): SharedPlaces {
  const queues = new Map<string, Queue>();
  let free = shared;
  let waiting = 0;

  const mayRun = ({ running }: Queue): boolean => running < atOnce && (running < own || running - own < free);

  const enter = (queue: Queue): void => {
    queue.running += 1;
    if (queue.running > own) free -= 1;
  };

  const forgetIfIdle = (key: string, queue: Queue): void => {
    if (queue.running === 0 && queue.waiting.size === 0) queues.delete(key);
  };

  function serve(): void {
    while (waiting > 0) {
      let next: Queue | undefined;
      for (const queue of queues.values()) {
        if (queue.waiting.size === 0 || !mayRun(queue)) continue;
        if (next === undefined || queue.running < next.running) next = queue;
      }
      const [turn] = next?.waiting ?? [];
      if (next === undefined || turn === undefined) return;
      enter(next);
      turn();
    }
  }

  function leave(key: string, queue: Queue): void {
    if (queue.running > own) free += 1;
    queue.running -= 1;
    serve();
    forgetIfIdle(key, queue);
  }

  async function wait(key: string, queue: Queue, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    /** False for who waits no more: an abort may come between a turn and the work. */
    const forget = (): boolean => {
      const waited = queue.waiting.delete(turn);
      if (waited) waiting -= 1;
      return waited;
    };
    const turn = (): void => {
      forget();
      resolve(undefined);
    };
    const giveUp = (): void => {
      if (!forget()) return;
      forgetIfIdle(key, queue);
      reject(signal.reason as Error);
    };
    queue.waiting.add(turn);
    waiting += 1;
    signal.addEventListener('abort', giveUp);
    await promise.finally(() => signal.removeEventListener('abort', giveUp));
  }

  return {
    async run(key, signal, work) {
      signal.throwIfAborted();
      const queue = queues.get(key) ?? { running: 0, waiting: new Set() };
      queues.set(key, queue);
      if (mayRun(queue)) {
        enter(queue); // who waits of it has no room, or it would run
      } else if (queue.waiting.size < mostWaiting) {
        await wait(key, queue, signal);
      } else {
        forgetIfIdle(key, queue);
        throw new PlatformError('CONCURRENCY_LIMITED', 'too much waits already; try again');
      }
      try {
        return await work();
      } finally {
        leave(key, queue);
      }
    },
    get size() {
      return queues.size;
    },
  };
}
