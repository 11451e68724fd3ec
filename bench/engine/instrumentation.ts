import { setImmediate } from 'node:timers/promises';
import type { EngineArtifact } from '../../runner/engine/engine.ts';
import { judge, median } from './figures.ts';
import { mustSucceed, start, type Guest } from './guests.ts';

const ROUNDS = 15;
const BAR = { atMost: 1.5, stretch: 1.25 };

/**
 * What a guest that only computes takes with its core modules rewritten, against the modules as they were. Both are linked by the same
 * plan and get a new instance for each call, made before the clock runs, so that nothing else differs.
 */
export async function measureInstrumentation(guests: readonly Guest[]): Promise<object[]> {
  const rows = [];
  for (const { name, plain, renewed } of guests) {
    const times = await compare([plain, renewed], name === 'sieve' ? '/' : '/fib/25');
    const [before = Number.NaN, after = Number.NaN] = times.map((each) => median(each));
    const ratio = Number((after / before).toFixed(2));
    rows.push({
      guest: name,
      what: name === 'sieve' ? 'primes: loops that store, and nothing else' : 'fib(25)',
      'plain ms': before.toFixed(1),
      'rewritten ms': after.toFixed(1),
      ratio,
      ...judge(ratio, BAR),
    });
  }
  return rows;
}

async function compare(artifacts: readonly EngineArtifact[], url: string): Promise<number[][]> {
  const variants = await Promise.all(
    artifacts.map(async (artifact) => ({ run: await start(artifact), times: [] as number[] })),
  );
  for (let round = -3; round < ROUNDS; round += 1) {
    for (const { run, times } of variants) {
      const started = performance.now();
      await mustSucceed(run(url));
      // The first rounds warm the compiled code up.
      if (round >= 0) times.push(performance.now() - started);
      await setImmediate(); // the next call's instance is made
    }
  }
  return variants.map(({ times }) => times);
}
