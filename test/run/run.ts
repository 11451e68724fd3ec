import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { takeBatch, type Pool } from './batches.ts';
import type { Failure, FileOutcome } from './jest-messages.ts';
import { runJestProcess } from './jest-process.ts';
import { runLanes, type Work } from './lanes.ts';
import { prepare, type Prepared } from './prepare.ts';
import { printFile, printScript, printSummary } from './print.ts';
import { processesOfRun, watchProcesses } from './process-watch.ts';
import { kill, makeRunFolder, sweepDeadRuns } from './run-folder.ts';
import { runScript, type ScriptOutcome } from './run-script.ts';
import { tallyOf } from './tally.ts';

/** What ends with those that started it has this long to be gone. */
const GONE_WITHIN_MS = 15_000;
const LOOKS_EVERY_MS = 200;
const PEAKS = 5;

export interface RunOptions {
  /** Scripts of package.json that are run beside the tests; each counts as one test. */
  checks: readonly string[];
  pools: readonly Pool[];
  /** Tells tests how much to try. */
  ring: 'gate' | 'long';
  /** How many Jest processes and checks at a time. */
  lanes: number;
  /** When the run stops itself, on performance.now's clock. */
  endsAt: number;
  /** Whether tests may pass themselves over for want of something on this machine. */
  maySkip: boolean;
}

/** Runs checks and tests, and once more what failed of these; prints how all of it went. Answers whether it went well. */
export async function run(options: RunOptions): Promise<boolean> {
  sweepDeadRuns(console.log);
  const folder = makeRunFolder();
  const watch = watchProcesses(folder);
  const stop = new AbortController();
  stop.signal.addEventListener('abort', () => killAll(folder));
  const limit = setTimeout(() => stop.abort(), Math.max(0, options.endsAt - performance.now()));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  try {
    const done = await work(options, folder, stop.signal);
    const tally = tallyOf(done.first, done.second, options.maySkip);
    tally.failed.push(...done.faults.map((fault) => ({ file: 'the run', ...fault })));
    printSummary({ ...done, files: done.first, peaks: watch.peaks(PEAKS), tally });
    return tally.failed.length === 0 && done.checks.every(({ succeeded }) => succeeded);
  } finally {
    clearTimeout(limit);
    watch.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: LOOKS_EVERY_MS });
  }
}

interface Done {
  /** How each file went, and once more those that failed. */
  first: FileOutcome[];
  second: FileOutcome[];
  checks: ScriptOutcome[];
  /** What went wrong apart from tests and checks. */
  faults: Failure[];
  /** Seconds. */
  phases: Record<string, number>;
}

async function work(
  { checks, pools, ring, lanes }: RunOptions,
  folder: string,
  signal: AbortSignal,
): Promise<Done> {
  const seed = process.env['TEST_SEED'] ?? String(Math.floor(Math.random() * 2 ** 31));
  console.log(`${ring}, ${lanes} at a time, TEST_SEED=${seed}, in ${folder}`);
  let environment: NodeJS.ProcessEnv = {
    ...process.env,
    ...{ TMPDIR: folder, TEST_RING: ring, TEST_SEED: seed, FORCE_COLOR: '0' },
  };
  const done: Done = { first: [], second: [], checks: [], faults: [], phases: {} };
  const timed = async <T>(phase: string, result: Promise<T>): Promise<T> => {
    const from = performance.now();
    return result.finally(() => {
      done.phases[phase] = (done.phases[phase] ?? 0) + (performance.now() - from) / 1000;
    });
  };
  const projects = new Map(pools.flatMap(({ project, files }) => files.map((file) => [file, project])));

  const runFiles = (files: readonly string[], into: FileOutcome[]): Promise<string[]> =>
    runJestProcess({
      ...{ project: projects.get(files[0] ?? '') ?? '', files, environment, signal },
      onFile(outcome) {
        into.push(outcome);
        printFile(outcome);
      },
    });
  const runCheck = async (name: string): Promise<void> => {
    const outcome = await runScript(name, environment);
    done.checks.push(outcome);
    printScript(outcome);
  };
  const runBatch = async (pool: Pool): Promise<void> => {
    const unreached = await runFiles(takeBatch(pool, lanes), done.first);
    pool.files.unshift(...unreached);
  };

  let prepared: Prepared | undefined;
  let isPreparing = pools.some(({ needsPrepared, files }) => needsPrepared && files.length > 0);
  const untried = [...checks];
  const next = (): Work | 'wait' | 'done' => {
    if (signal.aborted) return 'done';
    const check = untried.shift();
    if (check !== undefined) return () => runCheck(check);
    const left = pools.filter(({ files }) => files.length > 0);
    const pool = left.find(({ needsPrepared }) => !needsPrepared || prepared);
    if (pool) return () => runBatch(pool);
    return left.length > 0 && isPreparing ? 'wait' : 'done';
  };
  const tests = runLanes(lanes, next);
  const tested = timed('checks and tests', tests.finished);
  if (isPreparing) {
    try {
      prepared = await timed('preparing (beside checks and unit tests)', prepare(environment));
      environment = { ...environment, ...prepared.environment };
    } catch (cause) {
      done.faults.push({ test: 'is prepared', text: String(cause) });
    }
    isPreparing = false;
    tests.wake();
  }
  await tested;
  if (signal.aborted) done.faults.push({ test: 'comes to its end in time', text: 'it was stopped' });
  const unreached = [...untried, ...pools.flatMap(({ files }) => files)];
  if (unreached.length > 0) done.faults.push({ test: 'comes to everything', text: unreached.join('\n') });

  for (const { file } of done.first.filter(({ failures }) => failures.length > 0)) {
    if (signal.aborted) break;
    await timed('second tries', runFiles([file], done.second));
  }
  await timed(
    'ending',
    (prepared?.stop() ?? Promise.resolve()).then(() => nothingLeft(folder, done.faults)),
  );
  return done;
}

/** What still runs is told as a fault, and ended. */
async function nothingLeft(folder: string, faults: Failure[]): Promise<void> {
  const until = performance.now() + GONE_WITHIN_MS;
  let left = processesOfRun(folder);
  while (left.length > 0 && performance.now() < until) {
    await sleep(LOOKS_EVERY_MS);
    left = processesOfRun(folder);
  }
  if (left.length === 0) return;
  faults.push({
    test: 'leaves no process',
    text: left.map(({ pid, command }) => `${pid} ${command}`).join('\n'),
  });
  killAll(folder);
}

function killAll(folder: string): void {
  for (const { pid } of processesOfRun(folder)) kill(pid);
}
