import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readFileSync } from 'node:fs';
import path from 'node:path';
import { LIFECYCLE_TASK_QUEUE } from '../../core/ids.ts';
import { watchPolls } from '../../starter/services/temporal-server.ts';
import { waitFor } from '../../starter/wait-for.ts';
import type { TestPlatform } from '../support/platform.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const FAULTS = path.join(import.meta.dirname, 'activity-faults.ts');
const READY_WITHIN_MS = 60_000;

/** Of all attempts at activities, between 0 and 1. */
export interface Faults {
  failing: number;
  lost: number;
}

export interface FaultyWorkers {
  /** SIGKILL to one of them, or to the platform's own worker; another takes its place. */
  kill(which: number): void;
  stop(): Promise<void>;
}

/** Workers beside the platform's own, with its environment, whose activities fail now and then. Their logs lie beside its. */
export async function startFaultyWorkers(
  platform: TestPlatform,
  { count, seed, faults }: { count: number; seed: string; faults: Faults },
): Promise<FaultyWorkers> {
  const env = environmentOf(platform.processes()['lifecycle-worker'] ?? 0);
  const logs = path.join(platform.starter.dataDir, 'logs');
  let generation = 0;
  let isOver = false;
  const children: ChildProcess[] = [];

  function start(at: number): void {
    generation += 1;
    const own = { ...faults, seed: `${seed}/${generation}` };
    const child = spawn(process.execPath, ['--import', FAULTS, path.join(ROOT, 'workers', 'main.ts')], {
      cwd: ROOT,
      env: { ...env, ACTIVITY_FAULTS: JSON.stringify(own) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const log = createWriteStream(path.join(logs, `faulty-worker-${generation}.log`));
    for (const stream of [child.stdout, child.stderr]) stream.pipe(log, { end: false });
    children[at] = child;
    child.once('exit', () => {
      if (!isOver) start(at);
    });
  }
  for (let at = 0; at < count; at += 1) start(at);
  const { ready } = watchPolls(platform.local.temporal, LIFECYCLE_TASK_QUEUE, 'activity');
  const poll = (): Promise<boolean[]> => Promise.all(children.map(({ pid = 0 }) => ready(pid)));
  if (!(await waitFor(async () => (await poll()).every(Boolean), READY_WITHIN_MS, 100))) {
    throw new Error(`the workers take no tasks; see ${logs}`);
  }

  return {
    kill(which) {
      const at = which % (count + 1);
      const pid = at === count ? platform.processes()['lifecycle-worker'] : children[at]?.pid;
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
    },
    async stop() {
      isOver = true;
      await Promise.all(
        children.map(async (child) => {
          if (child.exitCode !== null || child.signalCode !== null) return;
          const ended = once(child, 'exit');
          child.kill('SIGKILL');
          await ended;
        }),
      );
    },
  };
}

/** What a process was started with, as Linux shows it. */
function environmentOf(pid: number): Record<string, string> {
  const pairs = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean);
  return Object.fromEntries(
    pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  );
}
