/** Latencies in milliseconds, throughput in calls per second. */
export interface Measurement {
  p50: number;
  p99: number;
  perSecond: number;
}

/**
 * Calls from `clients` loops at once until `calls` are done, or the time is over; each loop waits for its answer before the next call.
 */
export async function measure(
  call: (index: number) => Promise<void>,
  { calls, clients, withinMs = Infinity }: { calls: number; clients: number; withinMs?: number },
): Promise<Measurement> {
  const latencies: number[] = [];
  let next = 0;
  const started = performance.now();
  const client = async (): Promise<void> => {
    for (let index = next++; index < calls; index = next++) {
      const begin = performance.now();
      if (begin - started > withinMs) return;
      await call(index);
      latencies.push(performance.now() - begin);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  const seconds = (performance.now() - started) / 1000;
  const done = latencies.length;
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.min(done - 1, Math.floor(done * share))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), perSecond: done / seconds };
}
