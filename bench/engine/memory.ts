import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { judge } from './figures.ts';
import type { Guest } from './guests.ts';
import type { MemoryOrder, MemoryTaken } from './memory-child.ts';

const MIB = 1024 * 1024;
const INSTANCES = 24;
/** Of each further warm install of the same component. */
const BARS: Record<string, { atMost: number; stretch: number }> = {
  StarlingMonkey: { atMost: 12, stretch: 4 },
  QuickJS: { atMost: 3, stretch: 1 },
};

/** What instances that were rewound take while they wait for their next call, each component in a process of its own. */
export async function measureMemory(guests: readonly Guest[]): Promise<object[]> {
  const rows = [];
  for (const { name, rewound } of guests) {
    const child = fork(join(import.meta.dirname, 'memory-child.ts'), {
      execArgv: ['--expose-gc', '--disable-warning=ExperimentalWarning'],
      serialization: 'advanced',
    });
    const answered = once(child, 'message');
    child.send({ artifact: rewound, instances: INSTANCES } satisfies MemoryOrder);
    const [{ compiled, first, further }] = (await answered) as [MemoryTaken];
    const each = Number((further / INSTANCES / MIB).toFixed(2));
    const bar = BARS[name];
    rows.push({
      guest: name,
      'compiled, MiB': (compiled / MIB).toFixed(1),
      'first instance, snapshot and code that ran, MiB': (first / MIB).toFixed(1),
      'each further instance, MiB': each,
      ...(bar && judge(each, bar)),
    });
  }
  return rows;
}
