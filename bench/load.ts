/** Latencies in milliseconds, throughput in calls per second. */
export interface Measurement {
  p50: number;
  p99: number;
  perSecond: number;
}

/** Calls from `clients` loops at once until `calls` are done; each loop waits for its answer before the next call. */
export async function measure(
  call: (index: number) => Promise<void>,
  { calls, clients }: { calls: number; clients: number },
): Promise<Measurement> {
  const latencies = new Float64Array(calls);
  let next = 0;
  const started = performance.now();
  const client = async (): Promise<void> => {
    for (let index = next++; index < calls; index = next++) {
      const begin = performance.now();
      await call(index);
      latencies[index] = performance.now() - begin;
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  const seconds = (performance.now() - started) / 1000;
  latencies.sort();
  const at = (share: number): number =>
    latencies[Math.min(calls - 1, Math.floor(calls * share))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), perSecond: calls / seconds };
}
