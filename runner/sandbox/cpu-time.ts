/** CPU time of one execution. */
export interface CpuTime {
  /** Before it waits, lets others run, or ends: what the thread computed since the last lap of any execution was for this one. */
  lap: () => void;
  readonly milliseconds: number;
}

/** Of the thread, when the last lap ended; microseconds. */
let lastLap = 0;

/**
 * Executions share one thread and compute one at a time: between two laps, whoever comes to the second one. One that begins has computed
 * nothing yet; what other threads do, which compile and collect garbage, is counted for nobody.
 */
export function startCpuTime(): CpuTime {
  let micros = 0;
  lastLap = threadMicros();
  return {
    lap() {
      const now = threadMicros();
      micros += now - lastLap;
      lastLap = now;
    },
    get milliseconds() {
      return micros / 1000;
    },
  };
}

function threadMicros(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}
