import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { judge, median } from '../engine/figures.ts';
import type { Guest } from '../engine/guests.ts';
import { load, openConnection, type Load } from './raw-client.ts';
import type { Field } from './runner-process.ts';

const ROUNDS = 3;
const CALLS = 1_500;
const LOOPS = 8;
const LOOP_MS = 3_000;
/** The loops are under way by then. */
const WARM_UP_MS = 500;

/** What a tenant feels of another one's guests that never end, in rounds that take turns. */
export async function measureNeighbour(field: Field, guest: Guest): Promise<object[]> {
  const [contentHash = ''] = await field.publish(guest.rewound);
  const runner = await field.start();
  const own = { tenantId: randomUUID(), installId: randomUUID(), contentHash };
  const other = { tenantId: randomUUID(), installId: randomUUID(), contentHash };
  const use = (): Promise<Load> => load(runner, runner.requests(CALLS, own), 2);
  const attackers = await Promise.all(Array.from({ length: LOOPS }, () => openConnection(runner)));
  await use();
  const quiet: Load[] = [];
  const attacked: Load[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    quiet.push(await use());
    const loops = runner.requests(LOOPS, other, { url: '/loop', timeoutMs: LOOP_MS });
    const ended = Promise.all(attackers.map(({ send }, at) => send(loops[at] ?? Buffer.alloc(0))));
    await delay(WARM_UP_MS);
    attacked.push(await use());
    for (const { body } of await ended) {
      if (!body.includes('GUEST_TIMEOUT')) throw new Error(`the loop ended with ${body.toString()}`);
    }
  }
  for (const attacker of attackers) attacker.close();
  await runner.stop();
  const of = (phases: Load[], figure: 'p50' | 'p99'): number => median(phases.map((one) => one[figure]));
  const ratio = Number((of(attacked, 'p99') / of(quiet, 'p99')).toFixed(2));
  const both = (phases: Load[]): string =>
    `${of(phases, 'p50').toFixed(2)} / ${of(phases, 'p99').toFixed(2)}`;
  return [
    {
      'quiet p50 / p99 ms': both(quiet),
      'beside loops': both(attacked),
      'p99 against its own': ratio,
      ...judge(ratio, { atMost: 2, stretch: 1.2 }),
    },
  ];
}
