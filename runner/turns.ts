/**
 * Of runners at one address, of which one listens at a time, because what is sealed for one of them another refuses. Who started them says
 * over IPC when one begins and when it ends, so that calls wait for neither to start. Where nobody does, all is at once.
 */
export interface Turns {
  /** Says that this one is prepared; resolves when it may listen. */
  begin(): Promise<void>;
  /** Resolves when it may stop listening: another is prepared, or none will be. */
  end(): Promise<void>;
  /** Says that it listens no more. */
  over(): void;
}

export function createTurns(takesTurns: boolean): Turns {
  if (!takesTurns || !process.connected) {
    return { begin: () => Promise.resolve(), end: () => Promise.resolve(), over: () => undefined };
  }
  const told = { begin: Promise.withResolvers<undefined>(), end: Promise.withResolvers<undefined>() };
  process.on('message', (said) => {
    if (said === 'begin' || said === 'end') told[said].resolve(undefined);
  });
  process.once('disconnect', () => told.end.resolve(undefined));
  const say = (what: 'prepared' | 'over'): void =>
    void process.send?.(what, undefined, undefined, () => undefined); // gone: then it is told to stop
  return {
    async begin() {
      const waiting = setInterval(() => undefined, 60_000); // the channel keeps no process alive
      say('prepared');
      await told.begin.promise;
      clearInterval(waiting);
    },
    end: () => told.end.promise,
    over: () => say('over'),
  };
}
