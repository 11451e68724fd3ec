import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { at, judge, median } from '../engine/figures.ts';
import type { Guest } from '../engine/guests.ts';
import { load, mustServe, openConnection } from './raw-client.ts';
import type { Field, RunnerProcess } from './runner-process.ts';

const SAMPLES = 12;
/** The spare sandbox of the next sample is ready by then. */
const PAUSE_MS = 700;
const BAR = { atMost: 150, stretch: 60 };

/** First byte of a tenant's first call: its artifact lies on the disk of a runner that serves others. */
export async function measureCold(field: Field, guests: readonly Guest[]): Promise<object[]> {
  const rows: object[] = [];
  for (const { name, rewound } of guests) {
    const [busy = '', ...hashes] = await field.publish(rewound, SAMPLES + 1);
    const filling = await field.start();
    for (const contentHash of [busy, ...hashes]) await firstCall(filling, contentHash);
    await filling.stop();

    const runner = await field.start();
    const caller = { tenantId: randomUUID(), installId: randomUUID(), contentHash: busy };
    await load(runner, runner.requests(500, caller), 4);
    const times: number[] = [];
    for (const contentHash of hashes) {
      await delay(PAUSE_MS);
      times.push(await firstCall(runner, contentHash));
    }
    await runner.stop();
    const figure = Math.round(median(times));
    const worst = Math.round(at(times, 1));
    rows.push({ guest: name, 'first byte, ms': figure, 'slowest of all': worst, ...judge(figure, BAR) });
  }
  return rows;
}

/** Of a tenant that nobody has heard of. Milliseconds to the first byte. */
async function firstCall(runner: RunnerProcess, contentHash: string): Promise<number> {
  const connection = await openConnection(runner);
  const caller = { tenantId: randomUUID(), installId: randomUUID(), contentHash };
  const [request = Buffer.alloc(0)] = runner.requests(1, caller);
  const answer = await connection.send(request);
  connection.close();
  mustServe(answer);
  return answer.firstByteMs;
}
