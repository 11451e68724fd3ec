import { setTimeout as delay } from 'node:timers/promises';
import { processIdentity } from '../../starter/processes/identity.ts';
import { waitFor } from '../../starter/wait-for.ts';
import type { RunningPlatform } from '../support/platform.ts';
import { createDisturber } from './disturb.ts';
import { gatherEvidence, orphansOf, type Evidence } from './evidence.ts';
import { checkAll, type Finding } from './invariants/index.ts';
import { planRounds } from './plan.ts';
import { createRandom } from './random.ts';
import { createRecord, type Kind, type RequestRecord } from './record.ts';
import { settle } from './settle.ts';
import { connectTo } from './temporal.ts';
import { createCaller } from './work/callers.ts';
import { createConfigurer } from './work/configurers.ts';
import { createInstaller } from './work/installers.ts';
import { createKeyKeeper } from './work/key-keepers.ts';
import { createPublisher } from './work/publishers.ts';
import { createSteward } from './work/stewards.ts';
import { prepareSite, type Site, type Worker } from './work/site.ts';

export interface StormOptions {
  platform: RunningPlatform;
  /** The same seed: the same work and disturbances in the same order. */
  seed: string;
  seconds: number;
  /** A round begins when work is done again after the one before, or past this. */
  recoverWithinMs: number;
  /** Takes every request and its answer, a line each. */
  recordFile: string;
  log: (line: string) => void;
}

export interface StormReport {
  findings: Finding[];
  evidence: Evidence;
}

/** Calls of the extension that are under way at once. */
const CALLERS = 5;
const INSTALLERS = 2;

/** Disturbs a platform at work, lets it come to rest, and checks what it then holds against what it had answered. */
export async function storm(options: StormOptions): Promise<StormReport> {
  const { platform, seed, seconds, recordFile, log, recoverWithinMs } = options;
  const record = createRecord(platform.local.gateway, recordFile);
  const site = await prepareSite(platform, record);
  const temporal = connectTo(platform);
  const disturber = createDisturber(() => platform.processes());
  try {
    const until = Date.now() + seconds * 1_000;
    const work = workersOf(site).map((worker) => live(worker, seed, until));
    for (const round of planRounds(seed)) {
      await disturber.run(round);
      if (Date.now() > until) break;
      await waitFor(hasWorked(record, Date.now()), recoverWithinMs, 100);
      await delay(round.pauseMs);
    }
    await Promise.all(work);
    log(`${disturber.done.length} disturbances are over; waiting for what was begun`);
    const settled = await settle(platform, temporal, site);
    const seen = disturber.seen;
    // A child that lost its parent a moment ago is about to end.
    const orphans = () => orphansOf(seen, platform.processes(), processIdentity);
    await waitFor(() => orphans().length === 0, 10_000);
    const evidence = await gatherEvidence({
      platform,
      temporal,
      sent: record.all,
      disturbed: disturber.done,
      ...settled,
      orphans: orphans(),
    });
    return { evidence, findings: checkAll(evidence) };
  } finally {
    disturber.stop();
    await temporal.close();
  }
}

/** Whether a call and a change of config that were sent since then have been done. */
function hasWorked({ all }: RequestRecord, since: number): () => boolean {
  const done = (...kinds: Kind[]): boolean =>
    all.some(({ kind, at, status }) => at > since && status === 200 && kinds.includes(kind));
  return () => done('call', 'count') && done('config', 'secrets');
}

function workersOf(site: Site): Worker[] {
  return [
    ...Array.from({ length: CALLERS }, (_, at) => createCaller(site, at)),
    ...site.tenants.map((tenant) => createConfigurer(site, tenant)),
    ...Array.from({ length: INSTALLERS }, (_, at) => createInstaller(site, at)),
    ...site.stewards.map((tenant) => createSteward(site, tenant)),
    createPublisher(site),
    createKeyKeeper(site),
  ];
}

async function live({ name, pauseMs, step }: Worker, seed: string, until: number): Promise<void> {
  const random = createRandom(`${seed}/${name}`);
  for (let at = 1; Date.now() < until; at += 1) {
    await step(random, `${name}.${at}`);
    await delay(random.between(0, pauseMs));
  }
}
