import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { SECRET_MARK } from '../model/deeds.ts';
import { startFaultyWorkers } from '../model/faulty-workers.ts';
import { EXTENSION } from '../model/commands.ts';
import { plans } from '../model/plan.ts';
import { createTrial, type Trial } from '../model/trial.ts';
import { publishVersions } from '../model/versions.ts';
import { createTracer } from '../support/secret-traces.ts';
import { startPlatform, type TestPlatform } from '../support/platform.ts';
import { fc } from '../support/properties.ts';

/** Runs of 50 installs each; with a seed, the ones that follow from it. `MODEL_RUNS=20 MODEL_SEED=7 npm run test:e2e -- --testPathPatterns install-model`. */
const RUNS = Number(process.env['MODEL_RUNS'] ?? 1);
const SEED = Number(process.env['MODEL_SEED'] ?? 20);
const INSTALLS = 50;
const FAULTS = { failing: 0.06, lost: 0.06 };

let platform: TestPlatform;
let trial: Trial;
/** What is to be ended, the last begun first; kept is what tells of a failure. */
const ends: (() => unknown)[] = [];
let isSound = false;
const folder = mkdtempSync(path.join(os.tmpdir(), 'alga-model-'));

beforeAll(async () => {
  platform = await startPlatform();
  ends.unshift(() => platform.close());
  await publishVersions(platform, EXTENSION);
  const workers = await startFaultyWorkers(platform, { count: 1, seed: String(SEED), faults: FAULTS });
  ends.unshift(() => workers.stop());
  trial = createTrial({ platform, workers, recordFile: path.join(folder, 'requests.jsonl') });
  ends.unshift(() => trial.close());
}, 900_000);
afterAll(async () => {
  for (const end of ends) await end();
  if (isSound) rmSync(folder, { recursive: true });
  else console.log(`every request and its answer: ${folder}`);
});

it(
  'whatever two admins ask for while workers die and activities fail, every install comes to rest as its row says',
  async () => {
    const property = fc.asyncProperty(plans(INSTALLS), async (plan) => {
      expect(await trial.broken(plan)).toEqual([]);
    });
    await fc.assert(property, { seed: SEED, numRuns: RUNS, endOnFailure: true });
    isSound = true;
  },
  RUNS * 900_000,
);

it('most of what an admin can ask for was taken up, and often', () => {
  const taken = Object.values(trial.taken());
  expect(taken.length).toBeGreaterThan(10);
  expect(taken.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(2 * INSTALLS);
});

it('no secret that was set stands in an answer, a log, a metric, a row or a history', async () => {
  const searched = await trial.search(createTracer([SECRET_MARK]));
  expect(searched.found).toEqual([]);
  expect(searched.looked).toBeGreaterThan(1_000);
  expect(searched.sealed).toBeGreaterThan(0);
});
