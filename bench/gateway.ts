import { parseArgs } from 'node:util';
import { judge, median, type Bar } from './engine/figures.ts';
import { httpRequest, sealedRequests } from './gateway/direct-calls.ts';
import { BODY, prepare, type Installed } from './gateway/field.ts';
import { startYardsticks } from './gateway/yardsticks.ts';
import { processorTime } from './install/processor-time.ts';
import { readLocalPlatform } from './local-platform.ts';
import { newTenant } from './tenants.ts';
import { cpuMicros } from './runner/process-figures.ts';
import { load, mustServe, openConnection, type Load } from './runner/raw-client.ts';

// What a call costs on its way through the gateway, beside what any two hops cost. Needs a platform that serves nobody else:
// `RUNNER_TENANT_CONCURRENCY=128 npm start`, since the largest load has 64 clients of one tenant; then `npm run bench`; Linux.
// Every figure comes from this one run. Exits with 1 if a bar is missed.

const { values: options } = parseArgs({
  options: { calls: { type: 'string', default: '4000' }, rounds: { type: 'string', default: '5' } },
});
const CALLS = Number(options.calls);
const ROUNDS = Number(options.rounds);
const CLIENTS = [1, 16, 64] as const;

const dataDir = process.env['DATA_DIR'] ?? '.data';
const local = readLocalPlatform(dataDir);
const ofGateway = { port: Number(new URL(local.gateway).port) };
const ofRunner = { port: Number(new URL(local.runner).port) };

const key = await newTenant(local, 'Bench gateway');
const quickjs = await prepare(local, key, 'quickjs', console.log);
const starlingmonkey = await prepare(local, key, 'starlingmonkey', console.log);
const sealed = await sealedRequests(local, dataDir, quickjs);
const yardsticks = await startYardsticks('application/json', BODY);

const plain = (count: number): Buffer[] =>
  new Array<Buffer>(count).fill(httpRequest('/echo', BODY, { 'content-type': 'application/json' }));
const through =
  ({ key, install }: Installed) =>
  (count: number): Buffer[] =>
    new Array<Buffer>(count).fill(
      httpRequest(`/api/ext/${install.extension}/echo`, BODY, {
        'content-type': 'application/json',
        authorization: `Bearer ${key}`,
      }),
    );

const PATHS = {
  'whole path, QuickJS': { address: ofGateway, requests: through(quickjs) },
  'whole path, StarlingMonkey': { address: ofGateway, requests: through(starlingmonkey) },
  'runner, called directly': { address: ofRunner, requests: sealed },
  'bare Express': { address: yardsticks.express, requests: plain },
  'Express, undici, node:http': { address: yardsticks.twoHops, requests: plain },
};
type PathName = keyof typeof PATHS;
const names = Object.keys(PATHS) as PathName[];

const run = (name: PathName, clients: number, calls: number): Promise<Load> =>
  load(PATHS[name].address, PATHS[name].requests(calls), clients);

/** Also whether it answers at all, in words. */
async function warmUp(name: PathName): Promise<void> {
  const connection = await openConnection(PATHS[name].address);
  const [request = Buffer.alloc(0)] = PATHS[name].requests(1);
  mustServe(await connection.send(request));
  connection.close();
  await run(name, 16, 2 * CALLS);
}

const taken = new Map<string, Load[]>();
for (const name of names) await warmUp(name);
for (let round = 0; round < ROUNDS; round += 1) {
  for (const clients of CLIENTS) {
    for (const name of names) {
      const loads = taken.get(`${name} ${clients}`) ?? [];
      loads.push(await run(name, clients, clients === 1 ? CALLS / 4 : CALLS));
      taken.set(`${name} ${clients}`, loads);
    }
  }
}
const figure = (name: PathName, clients: number, of: keyof Load): number =>
  median((taken.get(`${name} ${clients}`) ?? []).map((one) => one[of]));

console.table(
  Object.fromEntries(
    names.flatMap((name) =>
      CLIENTS.map((clients) => [
        `${name}, ${clients}`,
        {
          'p50 ms': figure(name, clients, 'p50').toFixed(2),
          'p99 ms': figure(name, clients, 'p99').toFixed(2),
          'calls/s': Math.round(figure(name, clients, 'perSecond')),
        },
      ]),
    ),
  ),
);

/** Microseconds per call at 16 clients, by process; the client's own are not among them. */
async function cpuOfCalls(name: PathName): Promise<Record<string, number>> {
  const before = processorTime(local);
  await run(name, 16, 2 * CALLS);
  const after = processorTime(local);
  const parts = Object.entries(after).filter(([part]) => part !== 'this bench');
  return Object.fromEntries(
    parts.map(([part, millis]) => [part, ((millis - (before[part] ?? 0)) * 1000) / (2 * CALLS)]),
  );
}

async function cpuOfTwoHops(): Promise<number> {
  const of = (): number => cpuMicros(yardsticks.twoHops.pid) + cpuMicros(yardsticks.twoHops.behind);
  const before = of();
  await run('Express, undici, node:http', 16, 2 * CALLS);
  return (of() - before) / (2 * CALLS);
}

const cpu = await cpuOfCalls('whole path, QuickJS');
const inAll = Object.values(cpu).reduce((sum, micros) => sum + micros, 0);
const rounded = Object.entries({ ...cpu, 'in all': inAll, 'two bare hops': await cpuOfTwoHops() });
console.log('µs of CPU per call at 16 clients');
console.table(Object.fromEntries(rounded.map(([part, micros]) => [part, Math.round(micros)])));

const judged = (value: number, bar: Bar): object => ({
  figure: Number(value.toFixed(2)),
  ...judge(value, bar),
});
const ratio =
  figure('whole path, QuickJS', 16, 'perSecond') / figure('Express, undici, node:http', 16, 'perSecond');
console.table({
  'calls/s at 16 clients, against two bare hops': judged(ratio, { atLeast: 0.3, stretch: 0.5 }),
  'p50 at 1 client, ms': judged(figure('whole path, QuickJS', 1, 'p50'), { atMost: 1.5, stretch: 0.8 }),
  'the same, StarlingMonkey': judged(figure('whole path, StarlingMonkey', 1, 'p50'), {
    atMost: 2,
    stretch: 2,
  }),
  'CPU of all processes per call at 16 clients, µs': judged(inAll, { atMost: 400, stretch: 240 }),
});
yardsticks.stop();
