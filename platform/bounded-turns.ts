import { PlatformError } from '../core/errors.ts';

/** Work by key: so much of each runs at once, so much waits its turn, and what comes on top is refused. */
export interface BoundedTurns {
  /** Throws CONCURRENCY_LIMITED; what its signal throws if that aborts before the work's turn. */
  run<Result>(key: string, signal: AbortSignal, work: () => Promise<Result>): Promise<Result>;
  /** A turn, if there is one at once: what gives it back. */
  enter(key: string): (() => void) | undefined;
  /** Whether more work of the key would be refused. */
  isFull(key: string): boolean;
  /** Whether more work of the key would not run at once. */
  isBusy(key: string): boolean;
  /** Keys with work. */
  readonly size: number;
}

/** Of each key. */
export interface TurnLimits {
  /** 1 or more; a function says it anew for each turn, by how many wait. */
  readonly atOnce: number | ((waiting: number) => number);
  readonly waiting: number;
}

interface Queue {
  running: number;
  waiting: Set<() => void>;
}

export function createBoundedTurns(limits: TurnLimits): BoundedTurns {
  const queues = new Map<string, Queue>();

  const { atOnce } = limits;
  const hasRoom = ({ running, waiting }: Queue): boolean =>
    running < (typeof atOnce === 'number' ? atOnce : atOnce(waiting.size));
  const isFull = (queue: Queue): boolean => queue.waiting.size >= limits.waiting && !hasRoom(queue);

  async function take(queue: Queue, signal: AbortSignal): Promise<void> {
    serve(queue); // by now there may be more room than when the last one left
    if (hasRoom(queue)) {
      queue.running += 1;
      return;
    }
    if (isFull(queue)) {
      throw new PlatformError('CONCURRENCY_LIMITED', 'too much waits already; try again');
    }
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const turn = (): void => resolve(undefined);
    const giveUp = (): void => {
      queue.waiting.delete(turn);
      reject(signal.reason as Error);
    };
    queue.waiting.add(turn);
    signal.addEventListener('abort', giveUp);
    await promise.finally(() => signal.removeEventListener('abort', giveUp));
  }

  function serve(queue: Queue): void {
    for (const turn of queue.waiting) {
      if (!hasRoom(queue)) return;
      queue.running += 1;
      queue.waiting.delete(turn);
      turn();
    }
  }

  function leave(key: string, queue: Queue): void {
    queue.running -= 1;
    serve(queue);
    if (queue.running === 0) queues.delete(key);
  }

  return {
    async run(key, signal, work) {
      signal.throwIfAborted();
      const queue = queues.get(key) ?? { running: 0, waiting: new Set() };
      queues.set(key, queue);
      await take(queue, signal);
      try {
        return await work();
      } finally {
        leave(key, queue);
      }
    },
    enter(key) {
      const queue = queues.get(key) ?? { running: 0, waiting: new Set() };
      if (queue.waiting.size > 0 || !hasRoom(queue)) return undefined;
      queues.set(key, queue);
      queue.running += 1;
      return () => leave(key, queue);
    },
    isFull(key) {
      const queue = queues.get(key);
      return queue !== undefined && isFull(queue);
    },
    isBusy(key) {
      const queue = queues.get(key);
      return queue !== undefined && !hasRoom(queue);
    },
    get size() {
      return queues.size;
    },
  };
}
