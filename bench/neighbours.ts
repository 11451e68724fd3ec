import { fork } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Pool } from 'undici';
import { measure, type Measurement } from './load.ts';
import { readLocalPlatform } from './local-platform.ts';
import type { Order, Tally } from './neighbours/attacker.ts';
import { ATTACKS } from './neighbours/attacks.ts';
import { HELLO, prepareField, prepareNeighbour } from './neighbours/field.ts';
import { install, newTenant } from './tenants.ts';

// What tenant B feels of what a user of tenant A may do. Needs a running platform: `npm start`, then `npm run bench:neighbours`.
// Quiet and attacked phases take turns, so that whatever else the machine does falls on both; figures are medians of the rounds.
// Each run leaves its tenants behind.

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    calls: { type: 'string', default: '150' },
    /** Attacks whose name holds this. */
    only: { type: 'string', default: '' },
  },
});
const ROUNDS = Number(options.rounds);
const CALLS = Number(options.calls);
/** A phase of calls that take seconds ends with those it had. */
const PHASE_MS = 10_000;
/** An attack is at its height after this. */
const WARM_UP_MS = 1_500;

/** One use that tenant B makes of the platform. */
interface Use {
  calls: number;
  clients: number;
  /** Before each phase, unmeasured. */
  prepare?: (calls: number) => Promise<void>;
  /** Throws if it was not served. */
  call: (index: number) => Promise<void>;
}

const local = readLocalPlatform(process.env['DATA_DIR'] ?? '.data');
const neighbour = await prepareNeighbour(local);
const field = await prepareField(local, neighbour.install, console.log);
const { uiUrl } = neighbour.install;
if (uiUrl === undefined) throw new Error(`${HELLO} has no UI`);

async function get(pool: Pool, path: string, headers: Record<string, string> = {}): Promise<void> {
  const { statusCode, body } = await pool.request({ method: 'GET', path, headers });
  const text = await body.text();
  if (statusCode !== 200) throw new Error(`${path} answered ${statusCode}: ${text}`);
}

const gateway = new Pool(local.gateway, { connections: 2 });
const ui = new Pool(new URL(uiUrl).origin, { connections: 2 });
const fresh: string[] = [];

const CALL: Use = {
  calls: CALLS,
  clients: 2,
  call: (index) =>
    get(gateway, `/api/ext/${HELLO}/hello/Ada-${index % 64}`, { authorization: `Bearer ${neighbour.key}` }),
};
const ASSET: Use = { calls: CALLS, clients: 2, call: () => get(ui, new URL(uiUrl).pathname) };
const INSTALL: Use = {
  calls: 4,
  clients: 1,
  async prepare(calls) {
    fresh.length = 0;
    for (let at = 0; at < calls; at += 1) fresh.push(await newTenant(local, 'Bench install'));
  },
  async call(index) {
    await install(local, fresh[index] ?? '', HELLO);
  },
};

function usesUnder(attack: string): Record<string, Use> {
  if (attack.includes('UI')) return { call: CALL, 'UI asset': ASSET };
  if (attack.includes('publish')) return { call: CALL, install: INSTALL };
  return { call: CALL };
}

interface Phase extends Measurement {
  failed: number;
}

async function phase(use: Use): Promise<Phase> {
  await use.prepare?.(use.calls);
  let failed = 0;
  const call = (index: number): Promise<void> =>
    use.call(index).catch((err: unknown) => {
      failed += 1;
      if (failed === 1) console.log(String(err));
    });
  return { ...(await measure(call, { ...use, withinMs: PHASE_MS })), failed };
}

async function under<Result>(attack: string, tally: Tally, work: () => Promise<Result>): Promise<Result> {
  const attacker = fork(join(import.meta.dirname, 'neighbours', 'attacker.ts'));
  const endIt = (): void => void attacker.kill('SIGKILL');
  process.once('exit', endIt);
  attacker.once('exit', () => process.off('exit', endIt));
  attacker.send({ attack, field } satisfies Order);
  await delay(WARM_UP_MS);
  try {
    return await work();
  } finally {
    const counted = once(attacker, 'message');
    attacker.send('stop');
    const [counts] = (await counted) as [Tally];
    for (const [outcome, count] of Object.entries(counts)) tally[outcome] = (tally[outcome] ?? 0) + count;
  }
}

function median(figures: number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? Number.NaN;
}

function row(quiet: Phase[], attacked: Phase[], tookPlace: boolean): Record<string, string> {
  const of = (phases: Phase[], figure: 'p50' | 'p99'): number => median(phases.map((one) => one[figure]));
  const [p50, p99] = [of(attacked, 'p50'), of(attacked, 'p99')];
  const [bar50, bar99] = [2 * of(quiet, 'p50') + 5, 3 * of(quiet, 'p99') + 20];
  const failed = attacked.reduce((sum, one) => sum + one.failed, 0);
  const faults = [
    ...(tookPlace ? [] : ['no attack took place']),
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(p50 > bar50 ? ['p50'] : []),
    ...(p99 > bar99 ? ['p99'] : []),
  ];
  if (faults.length > 0) process.exitCode = 1;
  return {
    'quiet p50 / p99 ms': `${of(quiet, 'p50').toFixed(1)} / ${of(quiet, 'p99').toFixed(1)}`,
    'attacked p50 / p99 ms': `${p50.toFixed(1)} / ${p99.toFixed(1)}`,
    'bar p50 / p99 ms': `${bar50.toFixed(1)} / ${bar99.toFixed(1)}`,
    verdict: faults.length === 0 ? 'fair' : `over: ${faults.join(', ')}`,
  };
}

await measure(CALL.call, { calls: 100, clients: 2 }); // load what is loaded once
const table: Record<string, Record<string, string>> = {};
for (const [attack, { proof }] of Object.entries(ATTACKS)) {
  if (!attack.includes(options.only)) continue;
  const uses = Object.entries(usesUnder(attack)).map(([name, use]) => ({
    name,
    use,
    quiet: [] as Phase[],
    attacked: [] as Phase[],
  }));
  const tally: Tally = {};
  for (let round = 0; round < ROUNDS; round += 1) {
    await measure(CALL.call, { calls: 20, clients: 2 }); // what the attack before left is worked off
    for (const { use, quiet } of uses) quiet.push(await phase(use));
    await under(attack, tally, async () => {
      for (const { use, attacked } of uses) attacked.push(await phase(use));
    });
  }
  const tookPlace = proof.every((outcome) => (tally[outcome] ?? 0) > 0);
  for (const { name, quiet, attacked } of uses) table[`${attack}: ${name}`] = row(quiet, attacked, tookPlace);
  const answered = Object.entries(tally).map(([outcome, count]) => `${outcome} × ${count}`);
  console.log(`${attack}: ${answered.join(', ')}`);
}
console.table(table);

await Promise.all([gateway.close(), ui.close()]);
await rm(dirname(field.hostileBundle), { recursive: true });
