import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { createTenant } from '../support/extensions.ts';
import type { TestPlatform } from '../support/platform.ts';
import type { RequestRecord } from '../storm/record.ts';
import { ask, awaitRest, type Admin, type Believed } from './admin.ts';
import { commandsOf, drawn, installDeed, type Command } from './commands.ts';
import type { Drawn } from './deeds.ts';
import type { FaultyWorkers } from './faulty-workers.ts';

/** Commands of one admin, at most. */
const COMMANDS = 10;
/** Installs that are worked on at once. */
const AT_ONCE = 50;
const KILLS = { between: 8_000, and: 24_000 };

/** What happens to one install: how it begins, by one or both admins at once, and what each does then. */
interface Life {
  begin: Drawn;
  alsoBegin: Drawn | null;
  /** The other does not wait for that, perhaps. */
  hasty: boolean;
  first: Iterable<Command>;
  second: Iterable<Command>;
}

export interface Plan {
  lives: Life[];
  /** Which worker is killed after how long, over and over. */
  kills: { which: number; afterMs: number }[];
}

export function plans(installs: number): fc.Arbitrary<Plan> {
  const life = fc.record({
    begin: drawn,
    alsoBegin: fc.option(drawn, { freq: 1 }),
    hasty: fc.boolean(),
    first: commandsOf(COMMANDS),
    second: commandsOf(COMMANDS),
  });
  const kill = fc.record({
    which: fc.nat(),
    afterMs: fc.integer({ min: KILLS.between, max: KILLS.and }),
  });
  const plan = fc.record({
    lives: fc.array(life, { minLength: installs, maxLength: installs }),
    kills: fc.array(kill, { minLength: 20, maxLength: 20 }),
  });
  // What broke says what was asked for; the whole plan would hide it.
  return plan.map((made) => ({ ...made, [fc.toStringMethod]: () => `a plan for ${installs} installs` }));
}

/** Lives every life, in a tenant of its own, while workers are killed. Answers the tenants. */
export async function carryOut(
  { lives, kills }: Plan,
  {
    platform,
    record,
    workers,
    name,
  }: { platform: TestPlatform; record: RequestRecord; workers: FaultyWorkers; name: string },
): Promise<string[]> {
  const over = new AbortController();
  const killing = killAgain(workers, kills, over.signal);
  const left = lives.entries();
  const tenants: string[] = [];
  async function liveOn(): Promise<void> {
    for (const [at, life] of left) {
      const tenantName = `${name}-${at}`;
      const tenant = { name: tenantName, ...(await createTenant(platform, tenantName)) };
      tenants.push(tenant.tenantId);
      await live(life, (admin) => ({ name: admin, tenant, record }));
    }
  }
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, liveOn));
  } finally {
    over.abort();
    await killing;
  }
  return tenants;
}

async function live(
  { begin, alsoBegin, hasty, first, second }: Life,
  adminOf: (name: string) => Admin,
): Promise<void> {
  const believed: Believed = {};
  const [one, other] = [adminOf('one'), adminOf('other')];
  const install = (admin: Admin, how: Drawn) => ask(admin, believed, installDeed, how);
  await Promise.all([install(one, begin), ...(alsoBegin ? [install(other, alsoBegin)] : [])]);
  const goOn = async (admin: Admin, commands: Iterable<Command>, waits: boolean): Promise<void> => {
    if (waits) await awaitRest(admin, believed);
    await fc.asyncModelRun(() => ({ model: believed, real: admin }), commands);
  };
  await Promise.all([goOn(one, first, true), goOn(other, second, !hasty)]);
}

/** Over and over, until it is told to stop. */
async function killAgain(workers: FaultyWorkers, kills: Plan['kills'], signal: AbortSignal): Promise<void> {
  const isWoken = (afterMs: number): Promise<boolean> => delay(afterMs, false, { signal }).catch(() => true);
  for (let at = 0; ; at = (at + 1) % kills.length) {
    const { which, afterMs } = kills[at] ?? { which: 0, afterMs: KILLS.and };
    if (await isWoken(afterMs)) return;
    workers.kill(which);
  }
}
