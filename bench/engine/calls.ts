import { judge, median, type Bar } from './figures.ts';
import { mustSucceed, start, type Guest } from './guests.ts';

const ROUNDS = 5;

/** Fresh-state executions per second on one core; docs of the runner call them so. */
const ECHO_BARS: Record<string, Bar> = {
  StarlingMonkey: { atLeast: 6_000, stretch: 15_000 },
  QuickJS: { atLeast: 20_000, stretch: 50_000 },
};

/** Of calls that grow by 4 MiB and fill it: what they fill is zeroed, the rest is as ever. */
const GROWTH_BAR: Bar = { atLeast: 500, stretch: 1_000 };

interface Measured {
  guest: string;
  what: string;
  calls: number;
  call: () => Promise<unknown>;
  bar?: Bar | undefined;
  /** Microseconds per call, by round. */
  micros: number[];
}

/** One call after the other. Rows take turns, so that whatever else the machine does falls on all of them. */
export async function measureCalls(guests: readonly Guest[], calls: number): Promise<object[]> {
  const rows: Measured[] = [];
  for (const { name, rewound, renewed } of guests) {
    const run = await start(rewound);
    const runRenewed = await start(renewed);
    const add = (
      what: string,
      call: () => ReturnType<typeof run>,
      options: { share?: number; bar?: Bar | undefined } = {},
    ): void => {
      const { share = 1, bar } = options;
      const count = Math.ceil(calls * share);
      rows.push({ guest: name, what, calls: count, call: () => mustSucceed(call()), bar, micros: [] });
    };
    add('echo, rewound', () => run('/echo'), { bar: ECHO_BARS[name] });
    add('echo, a live instance: state is kept', () => run('/echo', { sharedInstance: 'live' }));
    add('echo, a new instance each', () => runRenewed('/echo'), { share: 1 / 20 });
    add('JSON, a record and a log line, rewound', () => run('/json'));
    add('4 MiB of growth, rewound', () => run('/grow'), { share: 1 / 20, bar: GROWTH_BAR });
    add('4 MiB of growth, a new instance each', () => runRenewed('/grow'), { share: 1 / 20 });
    add('fib(18), rewound', () => run('/fib/18'), { share: 1 / 50 });
  }
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const { calls: count, call, micros } of rows) {
      const started = performance.now();
      for (let left = count; left > 0; left -= 1) await call();
      // The first round warms the compiled code up.
      if (round > 0) micros.push(((performance.now() - started) / count) * 1_000);
    }
  }
  return rows.map(({ guest, what, bar, micros }) => {
    const perCall = median(micros);
    const perSecond = Math.round(1e6 / perCall);
    const columns = { guest, what, 'µs per call': Math.round(perCall), 'calls/s': perSecond };
    return { ...columns, ...(bar && judge(perSecond, bar)) };
  });
}
