import { randomUUID } from 'node:crypto';
import { EXECUTE_FRAME_TYPE } from '../../core/execute.ts';
import { judge, median } from '../engine/figures.ts';
import { start, mustSucceed, type Guest } from '../engine/guests.ts';
import { startBareNode } from './bare-node.ts';
import { descendantsOf, cpuMicros } from './process-figures.ts';
import { load, mustServe, openConnection, type Load } from './raw-client.ts';
import type { Caller, Field, RunnerProcess } from './runner-process.ts';

const ROUNDS = 5;
const CALLS = 6_000;
const ENGINE_CALLS = 10_000;

/** Latency, throughput and CPU of warm calls over HTTP. */
export async function measureCalls(field: Field, guests: readonly Guest[]): Promise<object[]> {
  const rows: object[] = [];
  for (const guest of guests) rows.push(...(await callsOf(field, guest)));
  return rows;
}

async function callsOf(field: Field, { name, rewound }: Guest): Promise<object[]> {
  const [contentHash = ''] = await field.publish(rewound);
  const caller: Caller = { tenantId: randomUUID(), installId: randomUUID(), contentHash };
  const runner = await field.start();
  try {
    const isBarred = name === 'QuickJS';
    const bare = await startBareNode(EXECUTE_FRAME_TYPE, await firstAnswer(runner, caller));
    const run = (of: { port: number }, clients: number, calls = CALLS): Promise<Load> =>
      load(of, runner.requests(calls, caller), clients);
    // Until the compiler has nothing left to do.
    await run(runner, 32, 3 * CALLS);
    await run(bare, 32, 3 * CALLS);
    const alone: Load[] = [];
    const crowd: Load[] = [];
    const bareAlone: Load[] = [];
    const bareCrowd: Load[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      alone.push(await run(runner, 1, CALLS / 4));
      bareAlone.push(await run(bare, 1, CALLS / 4));
      crowd.push(await run(runner, 32));
      bareCrowd.push(await run(bare, 32));
    }
    const cpu = await cpuOfCalls(runner, caller);
    const bareBefore = cpuMicros(bare.pid);
    await run(bare, 16, 2 * CALLS);
    const bareMicros = (cpuMicros(bare.pid) - bareBefore) / (2 * CALLS);
    const guestMicros = await engineMicros(rewound);
    bare.stop();
    const p50 = median(alone.map((one) => one.p50));
    const perSecond = median(crowd.map((one) => one.perSecond));
    const barePerSecond = median(bareCrowd.map((one) => one.perSecond));
    const row = (what: string, figure: number, beside: string, bar: Parameters<typeof judge>[1]): object => ({
      guest: name,
      what,
      figure,
      beside,
      ...(isBarred && judge(figure, bar)),
    });
    return [
      row('p50 at 1 client, ms', round2(p50), `bare ${round2(median(bareAlone.map((one) => one.p50)))}`, {
        atMost: 0.8,
        stretch: 0.4,
      }),
      row(
        'calls/s at 32 clients, against bare node:http',
        round2(perSecond / barePerSecond),
        `${Math.round(perSecond)} of ${Math.round(barePerSecond)}/s`,
        { atLeast: 0.4, stretch: 0.7 },
      ),
      row(
        'CPU of the supervisor, µs per call at 16 clients',
        Math.round(cpu.supervisor),
        `bare ${Math.round(bareMicros)}`,
        {
          atMost: 100,
          stretch: 60,
        },
      ),
      row(
        'CPU of the sandbox beside the guest, µs',
        Math.round(cpu.sandboxes - guestMicros),
        `the engine alone takes ${Math.round(guestMicros)}`,
        { atMost: 60, stretch: 30 },
      ),
    ];
  } finally {
    await runner.stop();
  }
}

async function firstAnswer(runner: RunnerProcess, caller: Caller): Promise<Buffer> {
  const connection = await openConnection(runner);
  const [request = Buffer.alloc(0)] = runner.requests(1, caller);
  const answer = await connection.send(request);
  connection.close();
  mustServe(answer);
  return answer.body;
}

/** Of the processes, so that what the client takes is not in it. Microseconds per call. */
async function cpuOfCalls(
  runner: RunnerProcess,
  caller: Caller,
): Promise<{ supervisor: number; sandboxes: number }> {
  const of = (): { supervisor: number; sandboxes: number } => ({
    supervisor: cpuMicros(runner.pid),
    sandboxes: descendantsOf(runner.pid).reduce((sum, pid) => sum + cpuMicros(pid), 0),
  });
  const calls = 2 * CALLS;
  const requests = runner.requests(calls, caller);
  const before = of();
  await load(runner, requests, 16);
  const after = of();
  return {
    supervisor: (after.supervisor - before.supervisor) / calls,
    sandboxes: (after.sandboxes - before.sandboxes) / calls,
  };
}

/** CPU that the engine takes for the same call where nothing else is done. */
async function engineMicros(artifact: Guest['rewound']): Promise<number> {
  const call = await start(artifact);
  const repeat = async (): Promise<number> => {
    const before = process.cpuUsage();
    for (let left = ENGINE_CALLS; left > 0; left -= 1) await mustSucceed(call('/echo'));
    const { user, system } = process.cpuUsage(before);
    return (user + system) / ENGINE_CALLS;
  };
  await repeat();
  return repeat();
}

function round2(figure: number): number {
  return Number(figure.toFixed(2));
}
