/** Lets work of one process run beside other such work, or alone. */
export interface Turns {
  beside<Result>(work: () => Promise<Result>): Promise<Result>;
  /** Waits until everything that runs has ended, and holds up what comes later. */
  alone<Result>(work: () => Promise<Result>): Promise<Result>;
}

export function createTurns(): Turns {
  const running = new Set<Promise<unknown>>();
  let last: Promise<unknown> = Promise.resolve(); // the latest that is to run alone

  async function track<Result>(work: Promise<Result>): Promise<Result> {
    running.add(work);
    try {
      return await work;
    } finally {
      running.delete(work);
    }
  }

  return {
    async beside(work) {
      for (let turn: unknown; turn !== last;) {
        turn = last;
        await last;
      }
      return track(work());
    },
    async alone(work) {
      const mine = Promise.allSettled([last, ...running]).then(work);
      last = mine.catch(() => undefined); // how it ended is its caller's affair
      return mine;
    },
  };
}
