import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Pool } from 'undici';
import { ApiError } from '../core/api/api-error.ts';
import { disableInstall, enableInstall } from '../core/api/install-lifecycle.ts';
import { rollbackInstall, upgradeInstall } from '../core/api/version-changes.ts';
import { callOnce, EXTENSION, NEW, OLD, publishVersions } from './install/field.ts';
import { processorTime } from './install/processor-time.ts';
import { callSteadily } from './install/steady-calls.ts';
import { readLocalPlatform } from './local-platform.ts';
import { clientOf, install, newTenant } from './tenants.ts';

// What an admin waits for. Needs a platform that serves nobody else: `npm start`, then `npm run bench:install`; Linux.
// Every figure comes from this one run. Exits with 1 if a bar is missed. Each run leaves its tenants behind.

const { values: options } = parseArgs({
  options: {
    /** Tables whose name holds this. */
    only: { type: 'string', default: '' },
    /** Installs one after the other, and at once. */
    alone: { type: 'string', default: '30' },
    rush: { type: 'string', default: '200' },
    /** Times an install is disabled, and changes version. */
    rounds: { type: 'string', default: '10' },
  },
});
const ROUNDS = Number(options.rounds);
const WAIT = { wait: 60 };
/** Calls a second beside changes of version. */
const RATE = 100;
/** After an install the runner starts a sandbox ahead for the next, and Temporal cleans up. */
const SETTLED_MS = 1_500;

const local = readLocalPlatform(process.env['DATA_DIR'] ?? '.data');
const gateway = new Pool(local.gateway, { connections: 128 });

type Row = Record<string, string | number>;

/** A figure and its bar; the exit code remembers one that was missed. */
function judged(figure: number, bar: number, unit: string): Row {
  if (!(figure <= bar)) process.exitCode = 1;
  return {
    figure: `${figure.toFixed(0)} ${unit}`,
    bar: `${bar} ${unit}`,
    verdict: figure <= bar ? 'held' : 'MISSED',
  };
}

function quantile(figures: readonly number[], share: number): number {
  const sorted = figures.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

async function tenants(count: number): Promise<string[]> {
  const keys: string[] = [];
  for (let at = 0; at < count; at += 1) keys.push(await newTenant(local, 'Bench install'));
  return keys;
}

/** Milliseconds from the request to the first answer of a call, install after install, each after so long in which nothing was asked. */
async function timeInstalls(pauseMs: number): Promise<number[]> {
  const taken: number[] = [];
  for (const key of await tenants(Number(options.alone))) {
    await delay(pauseMs);
    const started = performance.now();
    await install(local, key, EXTENSION, OLD);
    const status = await callOnce(gateway, key, 0);
    if (status !== 200) throw new Error(`the first call was answered ${status}`);
    taken.push(performance.now() - started);
  }
  return taken;
}

async function measureAlone(): Promise<void> {
  const alone = await timeInstalls(SETTLED_MS);
  const close = await timeInstalls(0);
  const millis = (taken: readonly number[], share: number): string =>
    `${quantile(taken, share).toFixed(0)} ms`;
  console.table({
    p50: judged(quantile(alone, 0.5), 300, 'ms'),
    p99: { figure: millis(alone, 0.99) },
    'p50, right after the one before': { figure: millis(close, 0.5) },
  });
}

/** Installs of as many tenants at once, until the last one is active. */
async function measureRush(): Promise<void> {
  const keys = await tenants(Number(options.rush));
  const before = processorTime(local);
  const started = performance.now();
  const taken: number[] = [];
  await Promise.all(
    keys.map(async (key) => {
      while (!(await isInstalled(key)));
      taken.push((performance.now() - started) / 1000);
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  const after = processorTime(local);
  console.table({
    all: judged(seconds, 60, 's'),
    'half of them': { figure: `${quantile(taken, 0.5).toFixed(1)} s` },
  });
  console.table(usedBetween(before, after, seconds, { of: keys.length, name: 'install' }));
}

type ProcessorTime = ReturnType<typeof processorTime>;

/** By process, for each of the things that were done. */
function usedBetween(
  before: ProcessorTime,
  after: ProcessorTime,
  seconds: number,
  done: { of: number; name: string },
): Record<string, Row> {
  return Object.fromEntries(
    Object.entries(after).map(([name, millis]) => {
      const used = millis - (before[name] ?? 0);
      const each = Math.round(used / done.of);
      return [
        name,
        { [`ms of a core for each ${done.name}`]: each, cores: (used / 1000 / seconds).toFixed(2) },
      ];
    }),
  );
}

/** False if it is still under way after a minute. */
async function isInstalled(key: string): Promise<boolean> {
  return install(local, key, EXTENSION, OLD).then(
    () => true,
    (err: unknown) => {
      if (err instanceof ApiError) throw err;
      return false;
    },
  );
}

/** How long an install that is told to stop while it is being upgraded goes on to let calls in. */
async function measureStop(): Promise<void> {
  const [key = ''] = await tenants(1);
  const { installId } = await install(local, key, EXTENSION, OLD);
  const call = clientOf(local, key);
  const params = { installId };
  const letIn: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const { result: stoppedAt, calls } = await callSteadily(gateway, key, RATE / 2, async () => {
      await delay(500);
      await call(upgradeInstall, { params, body: { version: NEW } });
      await delay(round * 40); // another moment of it each time
      const at = performance.now();
      await call(disableInstall, { params }, WAIT);
      await delay(500);
      return at;
    });
    const served = calls.filter(({ status }) => status === 200);
    letIn.push(Math.max(...served.map(({ sentAt }) => sentAt - stoppedAt), 0));
    await call(enableInstall, { params }, WAIT);
  }
  console.table({
    'longest, from the request to the last call let in': judged(Math.max(...letIn), 1000, 'ms'),
    median: { figure: `${quantile(letIn, 0.5).toFixed(0)} ms` },
  });
}

/** Changes of version, back and forth, beside calls. */
async function measureChange(): Promise<void> {
  const [key = ''] = await tenants(1);
  const { installId } = await install(local, key, EXTENSION, OLD);
  const call = clientOf(local, key);
  const params = { installId };
  await callSteadily(gateway, key, RATE, () => delay(3_000)); // what is called often is compiled by then
  const quiet = await callSteadily(gateway, key, RATE, () => delay(5_000));
  const before = processorTime(local);
  const startedAt = performance.now();
  const { result: taken, calls } = await callSteadily(gateway, key, RATE, async () => {
    const changes: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const started = performance.now();
      const { status } =
        round % 2 === 0
          ? await call(upgradeInstall, { params, body: { version: NEW } }, WAIT)
          : await call(rollbackInstall, { params, body: { version: OLD } }, WAIT);
      if (status !== 200) throw new Error('a change of version took more than a minute');
      changes.push(performance.now() - started);
      await delay(1_000);
    }
    return changes;
  });
  const seconds = (performance.now() - startedAt) / 1000;
  const used = usedBetween(before, processorTime(local), seconds, { of: calls.length, name: 'call' });
  const millis = (of: typeof calls): number[] => of.map(({ sentAt, endedAt }) => endedAt - sentAt);
  const of = (share: number): Row => ({
    figure: `${quantile(millis(calls), share).toFixed(1)} ms, ${quantile(millis(quiet.calls), share).toFixed(1)} without`,
  });
  const failed = calls.map(({ status }) => status).filter((status) => status !== 200);
  const answers = [...new Set(failed)].map(
    (status) => `${failed.filter((one) => one === status).length} × ${status}`,
  );
  console.table({
    [`failed of ${calls.length} calls`]: {
      ...judged(failed.length, 0, 'calls'),
      answers: answers.join(', '),
    },
    'a call, p50': of(0.5),
    'a call, p99': of(0.99),
    'a change, p50': { figure: `${quantile(taken, 0.5).toFixed(0)} ms` },
  });
  console.table(used);
}

const TABLES: Record<string, () => Promise<void>> = {
  'an install alone, to the first answer of a call': measureAlone,
  'a rush of installs': measureRush,
  'disabled during an upgrade': measureStop,
  [`changes of version beside ${RATE} calls a second`]: measureChange,
};

await publishVersions(local, console.log);
const [warmUp = ''] = await tenants(1);
await install(local, warmUp, EXTENSION, OLD); // the runner has its artifact from here on
await install(local, warmUp, EXTENSION, OLD);
for (const [name, measure] of Object.entries(TABLES)) {
  if (!name.includes(options.only)) continue;
  console.log(name);
  await measure();
}
await gateway.close();
