import { setImmediate, setTimeout } from 'node:timers/promises';
import { measure } from '../load.ts';
import { at, median } from './figures.ts';
import { createHost, mustSucceed, start, type Guest } from './guests.ts';

const LOOP_MS = 500;
const LOOPS = 4;
const STORAGE_MS = 10;

/** What a short call waits beside a guest that never ends, on the same thread, and when that one does. */
export async function measureHotLoop(guests: readonly Guest[]): Promise<object[]> {
  const rows = [];
  for (const { name, rewound } of guests) {
    const run = await start(rewound);
    /** As it arrives: in a turn of its own. */
    const shortCall = async (): Promise<number> => {
      const started = performance.now();
      await setImmediate();
      await mustSucceed(run('/echo'));
      return performance.now() - started;
    };
    const quiet: number[] = [];
    for (let call = 0; call < 2_000; call += 1) quiet.push(await shortCall());
    const beside: number[] = [];
    const ends: number[] = [];
    for (let loop = 0; loop < LOOPS; loop += 1) {
      const started = performance.now();
      const looping = run('/loop', { timeoutMs: LOOP_MS }).then((outcome) => {
        if (outcome.ok || outcome.code !== 'GUEST_TIMEOUT')
          throw new Error('the endless loop ended otherwise');
        ends.push(performance.now() - started);
      });
      await setImmediate();
      while (ends.length === loop) beside.push(await shortCall());
      await looping;
      await shortCall(); // the thread is its own again
    }
    rows.push({
      guest: name,
      'alone p50 ms': median(quiet).toFixed(2),
      'beside the loop p50 ms': median(beside).toFixed(2),
      p99: at(beside, 0.99).toFixed(2),
      worst: Math.max(...beside).toFixed(2),
      [`the loop ends, of ${LOOP_MS} ms`]: Math.max(...ends).toFixed(0),
    });
  }
  return rows;
}

/** Guests that wait for storage, many at once in one process. */
export async function measureWaiting(guests: readonly Guest[]): Promise<object[]> {
  const rows = [];
  for (const { name, rewound } of guests) {
    const run = await start(rewound);
    const host = createHost(() => setTimeout(STORAGE_MS));
    for (const clients of [1, 4, 32]) {
      const call = async (): Promise<void> => {
        await mustSucceed(run('/wait', { host }));
      };
      await measure(call, { calls: clients * 5, clients });
      const cpu = process.cpuUsage();
      const calls = clients * 60;
      const { p50, p99, perSecond } = await measure(call, { calls, clients });
      const { user, system } = process.cpuUsage(cpu);
      rows.push({
        guest: name,
        'in flight': clients,
        'calls/s': Math.round(perSecond),
        [`of at most, at ${STORAGE_MS} ms`]: Math.round((clients * 1_000) / STORAGE_MS),
        'p50 ms': p50.toFixed(1),
        'p99 ms': p99.toFixed(1),
        'µs of CPU per call': Math.round((user + system) / calls),
      });
    }
  }
  return rows;
}
