import { globSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Pool } from './batches.ts';
import { LONG_RING } from './long-ring.ts';
import { run, type RunOptions } from './run.ts';

// `check` is everything that CI runs, `gate` its tests (or those whose path holds one of the words given), `long` the long ring (or the
// parts named).

const ROOT = path.resolve(import.meta.dirname, '../..');
const UNIT =
  '{core,platform,workflows,activities,workers,runner,api,sdk,starter,scripts,test/support,test/run,test/lint,test/replay,test/model,test/storm}/**/*.test.ts';
const CHECKS = ['lint', 'types', 'format:check', 'lint:unused', 'lint:commit'];
/** Twice what the gate takes with empty caches; to be 25 once that is 15. */
const GATE_MINUTES = 40;
const LONG_MINUTES = 75;
/** How long in the long ring each of those goes on that can go on for ever. */
const SOAK_MINUTES = '2';

/** When .ci/run began, for the time that it took before belongs to the limit; seconds since the epoch. */
const startedAt = Number(process.env['RUN_STARTED_AT'] ?? Date.now() / 1000);
const before = Math.max(0, Date.now() / 1000 - startedAt);

/** The longest kinds first, so that lanes end together. */
function poolsOf(isWanted: (file: string) => boolean): Pool[] {
  const files = (pattern: string): string[] => globSync(pattern, { cwd: ROOT }).filter(isWanted).sort();
  return [
    { project: 'e2e', files: files('test/e2e/**/*.test.ts'), needsPrepared: true, most: 2 },
    { project: 'integration', files: files('test/integration/**/*.test.ts'), needsPrepared: true, most: 4 },
    { project: 'unit', files: files(UNIT), needsPrepared: false, most: 14 },
  ];
}

const options: Omit<RunOptions, 'checks' | 'pools' | 'ring' | 'endsAt'> = {
  lanes: Math.max(2, Math.min(4, os.availableParallelism())),
  maySkip: process.env['CI'] === undefined,
};
const endsAfter = (minutes: number): number => performance.now() + minutes * 60_000 - before * 1000;

async function gate(checks: readonly string[], words: readonly string[]): Promise<boolean> {
  const elsewhere = new Set(LONG_RING.flatMap(({ only }) => only));
  const pools = poolsOf(
    (file) => !elsewhere.has(file) && (words.length === 0 || words.some((word) => file.includes(word))),
  );
  return run({ ...options, checks, pools, ring: 'gate', endsAt: endsAfter(GATE_MINUTES) });
}

async function long(names: readonly string[]): Promise<boolean> {
  const parts = LONG_RING.filter(({ name }) => names.length === 0 || names.includes(name));
  const unknown = names.filter((name) => !LONG_RING.some((part) => part.name === name));
  if (unknown.length > 0) {
    console.error(`no part of the long ring is called ${unknown.join(', ')}; there are:`);
    for (const { name, reason } of LONG_RING) console.error(`  ${name}: ${reason}`);
    return false;
  }
  const files = new Set(parts.flatMap(({ only, whole }) => [...only, ...whole]));
  process.env['SOAK_MINUTES'] ??= SOAK_MINUTES;
  // One at a time: what needs a quiet machine has one.
  return run({
    ...options,
    checks: [],
    pools: poolsOf((file) => files.has(file)),
    ring: 'long',
    lanes: 1,
    endsAt: endsAfter(LONG_MINUTES),
  });
}

const [ring = '', ...words] = process.argv.slice(2);
const rings: Record<string, () => Promise<boolean>> = {
  check: () => gate(CHECKS, []),
  gate: () => gate([], words),
  long: () => long(words),
};
const chosen = rings[ring];
if (chosen === undefined) {
  console.error(`usage: node test/run/main.ts ${Object.keys(rings).join('|')} [word…]`);
  process.exit(2);
}
process.exitCode = (await chosen()) ? 0 : 1;
