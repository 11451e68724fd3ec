import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { judge, median, type Bar } from '../engine/figures.ts';
import { mustSucceed, requestOf, start, type Guest } from '../engine/guests.ts';
import { findWasmtimeHost, startWasmtimeHost, type WasmtimeHost } from './host.ts';

const ROUNDS = 5;
/** Here, as many calls as are measured, so many times: V8 compiles what runs often again, and a sandbox lives for long. */
const WARM_UP = 3;
/** Times the calls per second of a new instance for each call in Wasmtime, for calls that do little. */
const BARS: Record<string, Bar> = {
  StarlingMonkey: { atLeast: 2, stretch: 4 },
  QuickJS: { atLeast: 3, stretch: 6 },
};
const CALLS = [
  { what: 'echo', url: '/echo', share: 1 / 3, barred: true },
  { what: 'JSON, a record and a log line', url: '/json', share: 1 / 3, barred: true },
  { what: 'fib(18)', url: '/fib/18', share: 1 / 50, barred: false },
];

type Measured = (typeof CALLS)[number] & { micros: Record<'rewound' | 'new' | 'live', number[]> };

/** The same bytes in Wasmtime and here, one call after the other, in rounds that take turns. */
export async function measureWasmtime(guests: readonly Guest[], calls: number): Promise<object[]> {
  const program = await findWasmtimeHost(process.env);
  if (program === undefined)
    return guests.map(({ name }) => ({ guest: name, Wasmtime: 'not measured here' }));
  const folder = await mkdtemp(join(tmpdir(), 'bench-wasmtime-'));
  try {
    const rows: object[] = [];
    for (const guest of guests) {
      const file = join(folder, `${guest.name}.wasm`);
      await writeFile(file, guest.component);
      const host = startWasmtimeHost(program, file, Buffer.from(requestOf('').http.body ?? []).toString());
      try {
        rows.push(...(await compare(guest, host, calls)));
      } finally {
        await host.stop();
      }
    }
    return rows;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function compare(guest: Guest, host: WasmtimeHost, calls: number): Promise<object[]> {
  const run = await start(guest.rewound);
  for (const { url } of CALLS) {
    const { response } = await mustSucceed(run(url));
    const ours = { status: response.status, body: Buffer.from(response.body ?? []).toString() };
    for (const instance of ['new', 'live'] as const) {
      const theirs = await host.answer(instance, url);
      if (theirs.status !== ours.status || theirs.body !== ours.body) {
        throw new Error(
          `${guest.name} ${url}: ${JSON.stringify(ours)} here, ${JSON.stringify(theirs)} in Wasmtime`,
        );
      }
    }
  }
  const rows = CALLS.map((row): Measured => ({ ...row, micros: { rewound: [], new: [], live: [] } }));
  for (const { url, share } of rows) {
    for (let left = Math.ceil(calls * share * WARM_UP); left > 0; left -= 1) await mustSucceed(run(url));
  }
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const { url, share, micros } of rows) {
      const count = Math.ceil(calls * share);
      const started = performance.now();
      for (let left = count; left > 0; left -= 1) await mustSucceed(run(url));
      const rewound = ((performance.now() - started) / count) * 1_000;
      const renewed = await host.time('new', url, count);
      const live = await host.time('live', url, count);
      if (round === 0) continue; // the caches
      micros.rewound.push(rewound);
      micros.new.push(renewed);
      micros.live.push(live);
    }
  }
  return rows.map(({ what, barred, micros }) => {
    const ratio = Number((median(micros.new) / median(micros.rewound)).toFixed(2));
    const bar = barred ? BARS[guest.name] : undefined;
    return {
      guest: guest.name,
      what,
      'here, rewound µs': Math.round(median(micros.rewound)),
      'Wasmtime, new instance µs': Math.round(median(micros.new)),
      'Wasmtime, live instance µs': Math.round(median(micros.live)),
      'times its new instance': ratio,
      ...(bar && judge(ratio, bar)),
    };
  });
}
