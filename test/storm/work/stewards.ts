import { ask, awaitRest, installIn, type Admin, type Believed } from '../../model/admin.ts';
import { deedsFor, type Deed, type Drawn } from '../../model/deeds.ts';
import type { Random } from '../random.ts';
import { promiseOf, type Sent, type Tenant } from '../record.ts';
import { LED, type Site, type Worker } from './site.ts';

/** What was begun and left without an end may still come to be for so long. */
const OPEN_MS = 90_000;
const LOOK_FOR_MS = 20_000;
const DEEDS = deedsFor(LED.extension);

/** Leads one install through its life, one request after another, and calls it in between. */
export function createSteward({ record }: Site, tenant: Tenant): Worker {
  const believed: Believed = {};
  const admin: Admin = { name: 'steward', tenant, record };
  let openUntil = 0;

  return {
    name: `steward-${tenant.name}`,
    pauseMs: 1_500,
    async step(random, text) {
      const sent = await ask(admin, believed, draw(random, believed), drawnOf(random));
      // What was begun is seen to end; of what nobody knows whether it has begun, nobody knows when it does.
      const isClear = ['done', 'refused'].includes(promiseOf(sent)) || isShown(sent);
      if (!isClear) openUntil = Date.now() + OPEN_MS;
      const isAtRest = await awaitRest(admin, believed, LOOK_FOR_MS);
      if (!isAtRest) return;
      const isKnown = Date.now() > openUntil;
      await record.send({
        kind: 'try',
        tenant,
        method: 'GET',
        route: `/api/ext/${LED.extension}/hello/${text}`,
        mark: `${tenant.name}.${text}`,
        about: { led: 'yes', status: isKnown ? (believed.status ?? '') : 'unknown' },
      });
    },
  };
}

function draw(random: Random, { status }: Believed): Deed {
  const [first, ...others] = DEEDS.filter(({ fits }) => fits.includes(status));
  return random.pick([first ?? DEEDS[0], ...others]);
}

function drawnOf(random: Random): Drawn {
  return {
    version: random.pick(LED.versions),
    consent: random.chance(0.6) ? 'all' : [],
    decision: random.chance(0.7) ? 'grant' : 'decline',
    city: random.chance(0.5),
    wait: random.chance(0.6),
  };
}

/** Whether the row shows what was begun: then it ends there too. */
function isShown(sent: Sent): boolean {
  return sent.status === 202 && installIn(sent).operation !== undefined;
}
