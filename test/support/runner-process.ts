import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { COMPILE_CACHE } from '../../scripts/compile-cache.ts';
import { waitFor } from '../../starter/wait-for.ts';
import { freePort } from '../../starter/ports.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const FIRST_RELEASE = path.join(import.meta.dirname, 'first-release', 'preload.ts');
const START_WITHIN_MS = 60_000;

export interface RunnerProcess {
  /** Of its private listener, as gateways know it. */
  url: string;
  /** What it logged so far. */
  output(): string;
  stop(): Promise<void>;
}

/** A real runner: `runner/main.ts` in a process of its own, that answers at /readyz. `env` completes what every runner needs. */
export async function startRunnerProcess(
  env: Readonly<Record<string, string>>,
  release: 'this' | 'first' = 'this',
): Promise<RunnerProcess> {
  const url = `http://127.0.0.1:${await freePort()}`;
  const cache = mkdtempSync(path.join(os.tmpdir(), 'runner-cache-'));
  const preload = release === 'first' ? ['--import', FIRST_RELEASE] : [];
  const child = spawn(process.execPath, [...preload, path.join(ROOT, 'runner', 'main.ts')], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      LOG_FORMAT: 'json',
      LOG_LEVEL: 'debug',
      RUNNER_PORT: new URL(url).port,
      RUNNER_UI_PORT: '0',
      RUNNER_BASE_URL: url,
      RUNNER_CACHE_DIR: cache,
      SANDBOX_ISOLATION: 'auto',
      ...env,
    },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  }
  const closed = once(child, 'close');
  const isReady = (): Promise<boolean> =>
    fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
  if (!(await waitFor(isReady, START_WITHIN_MS))) {
    child.kill('SIGKILL');
    throw new Error(`the runner did not start:\n${output}`);
  }
  return {
    url,
    output: () => output,
    async stop() {
      child.kill('SIGTERM');
      await closed;
      rmSync(cache, { recursive: true });
    },
  };
}
