export type Work = () => Promise<void>;

/**
 * Runs as much work side by side as there are lanes; `next` chooses it each time that a lane is free. Resolves once it answers "done" and
 * nothing runs. `wake` asks it again after it answered "wait".
 */
export function runLanes(
  count: number,
  next: () => Work | 'wait' | 'done',
): { finished: Promise<undefined>; wake: () => void } {
  let running = 0;
  const { promise: finished, resolve, reject } = Promise.withResolvers<undefined>();
  const fill = (): void => {
    while (running < count) {
      const work = next();
      if (work === 'done' && running === 0) resolve(undefined);
      if (typeof work === 'string') return;
      running += 1;
      void work()
        .finally(() => (running -= 1))
        .then(fill, reject);
    }
  };
  fill();
  return { finished, wake: fill };
}
