import { PlatformError } from '../core/errors.ts';

/** Work by key: so much of each runs at once, so much waits its turn, and what comes on top is refused. */
export interface BoundedTurns {
  /** Throws CONCURRENCY_LIMITED; what its signal throws if that aborts before the work's turn. */
  run<Result>(key: string, signal: AbortSignal, work: () => Promise<Result>): Promise<Result>;
  /** Keys with work. */
  readonly size: number;
}

interface Queue {
  running: number;
  waiting: Set<() => void>;
}

export function createBoundedTurns({ atOnce, waiting }: { atOnce: number; waiting: number }): BoundedTurns {
  const queues = new Map<string, Queue>();

  async function take(key: string, queue: Queue, signal: AbortSignal): Promise<void> {
    if (queue.running < atOnce) {
      queue.running += 1;
      return;
    }
    if (queue.waiting.size >= waiting) {
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

  function leave(key: string, queue: Queue): void {
    const [next] = queue.waiting;
    if (next) {
      queue.waiting.delete(next);
      next(); // takes over the place
      return;
    }
    queue.running -= 1;
    if (queue.running === 0) queues.delete(key);
  }

  return {
    async run(key, signal, work) {
      signal.throwIfAborted();
      const queue = queues.get(key) ?? { running: 0, waiting: new Set() };
      queues.set(key, queue);
      await take(key, queue, signal);
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
