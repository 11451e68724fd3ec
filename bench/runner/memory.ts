import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { judge } from '../engine/figures.ts';
import type { Guest } from '../engine/guests.ts';
import { treeMemory, type TreeMemory } from './process-figures.ts';
import { load } from './raw-client.ts';
import type { Caller, Field, RunnerProcess } from './runner-process.ts';

const MIB = 1024 * 1024;
const INSTALLS = 24;
const COMPONENTS = 8;
const TENANTS = 8;
/** Of each install; then it is warm. */
const CALLS = 40;
/** What was let go is gone by then. */
const SETTLE_MS = 1_500;

const INSTALL_BARS: Record<string, { atMost: number; stretch: number }> = {
  StarlingMonkey: { atMost: 12, stretch: 4 },
  QuickJS: { atMost: 3, stretch: 1 },
};
const TENANT_BAR = { atMost: 60, stretch: 35 };

/** Resident memory of the runner and all its sandboxes, for each install or tenant more. */
export async function measureMemory(field: Field, guests: readonly Guest[]): Promise<object[]> {
  const rows: object[] = [];
  for (const { name, rewound } of guests) {
    const [contentHash = '', ...others] = await field.publish(rewound, COMPONENTS + 1);
    const tenantId = randomUUID();
    const install = (hash: string, at: number): Caller => ({
      tenantId,
      installId: randomUUID(),
      contentHash: hash,
      config: { greeting: `Hello number ${at}` },
    });
    const runner = await field.start({ SANDBOX_SPARES: '0' });
    await warm(runner, [install(contentHash, 0)], 1_000);
    const first = await settled(runner);
    const installs = Array.from({ length: INSTALLS }, (_, at) => install(contentHash, at + 1));
    await warm(runner, installs, CALLS);
    const withInstalls = await settled(runner);
    await warm(runner, others.map(install), CALLS);
    const withComponents = await settled(runner);
    await runner.stop();

    const crowded = await field.start({ SANDBOX_SPARES: '0' });
    const tenant = (): Caller => ({ tenantId: randomUUID(), installId: randomUUID(), contentHash });
    await warm(crowded, [tenant()], 1_000);
    const oneTenant = await settled(crowded);
    await warm(crowded, Array.from({ length: TENANTS }, tenant), CALLS);
    const withTenants = await settled(crowded);
    await crowded.stop();

    rows.push(
      row(name, 'install of the same component', first, withInstalls, INSTALLS, INSTALL_BARS[name]),
      row(name, 'install of another component', withInstalls, withComponents, COMPONENTS),
      row(
        name,
        'tenant, its process included',
        oneTenant,
        withTenants,
        TENANTS,
        name === 'QuickJS' ? TENANT_BAR : undefined,
      ),
    );
  }
  return rows;
}

async function warm(runner: RunnerProcess, callers: readonly Caller[], calls: number): Promise<void> {
  for (const caller of callers) await load(runner, runner.requests(calls, caller), 1);
}

async function settled({ pid }: RunnerProcess): Promise<TreeMemory> {
  await delay(SETTLE_MS);
  return treeMemory(pid);
}

function row(
  guest: string,
  each: string,
  before: TreeMemory,
  after: TreeMemory,
  count: number,
  bar?: { atMost: number; stretch: number },
): object {
  const mib = (of: keyof TreeMemory): number => Number(((after[of] - before[of]) / count / MIB).toFixed(1));
  const proportional = mib('proportional');
  return {
    guest,
    'each further': each,
    'resident, MiB': proportional,
    'with the pages that all share': mib('resident'),
    ...(bar && judge(proportional, bar)),
  };
}
