/**
 * Lets guests take turns by component: each time the event loop has turned, one guest of one component goes on. So many guests of one
 * component that compute take no more from those of another than one of them would, and what arrives meanwhile waits for a slice.
 */
export interface Turns {
  /** Settles when it is the turn of a guest of this component. */
  next(component: object): Promise<void>;
}

export function createTurns(): Turns {
  /** In the order of their turns. */
  const waiting = new Map<object, (() => void)[]>();

  function take(): void {
    const [first] = waiting;
    if (!first) return;
    const [component, guests] = first;
    const goOn = guests.shift();
    waiting.delete(component);
    if (guests.length > 0) waiting.set(component, guests);
    if (waiting.size > 0) setImmediate(take);
    goOn?.();
  }

  return {
    next(component) {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      const goOn = (): void => resolve(undefined);
      if (waiting.size === 0) setImmediate(take);
      const guests = waiting.get(component);
      if (guests) guests.push(goOn);
      else waiting.set(component, [goOn]);
      return promise;
    },
  };
}
