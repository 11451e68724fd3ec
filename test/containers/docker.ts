import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, closeSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Environment } from '../../platform/config/environment.ts';
import { findOrInstall } from '../support/install-with-apt.ts';

const STARTS_WITHIN_MS = 120_000;

// Jest runs set-up and teardown in one process but loads them apart; this is what they share.
const KEY = Symbol.for('alga.docker-daemon');
const store = globalThis as typeof globalThis & { [KEY]?: ChildProcess | undefined };

/** Has Docker with Compose run here, by a daemon of ours where none does; on CI's machine what is missing is installed first. Answers why there can be none. */
export async function startDocker(
  environment: Environment,
  log: (line: string) => void,
): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'whoever runs the tests is not root';
  const found = (name: string, debianPackage: string): Promise<string | undefined> =>
    findOrInstall(
      { name, title: name, variable: `${name.toUpperCase().replaceAll('-', '_')}_PROGRAM`, cachedIn: name },
      debianPackage,
      environment,
    );
  if ((await found('docker', 'docker.io')) === undefined) return 'there is no docker';
  if (!(await succeeds('docker', 'compose', 'version'))) {
    const compose = await found('docker-compose', 'docker-compose');
    if (compose === undefined) return 'there is no docker-compose, and no Compose in docker';
  }
  await found('debootstrap', 'debootstrap'); // of use only where images cannot be pulled
  if (await succeeds('docker', 'info')) return undefined;
  if ((await found('dockerd', 'docker.io')) === undefined) return 'there is no dockerd';
  store[KEY] = await startDaemon(log);
  return undefined;
}

/** The daemon that was started for us. */
export async function stopDocker(): Promise<void> {
  const daemon = store[KEY];
  if (!daemon || daemon.exitCode !== null || daemon.signalCode !== null) return;
  const ended = once(daemon, 'exit');
  daemon.kill();
  await ended;
}

async function startDaemon(log: (line: string) => void): Promise<ChildProcess> {
  const file = path.join(mkdtempSync(path.join(os.tmpdir(), 'alga-dockerd-')), 'log');
  const output = openSync(file, 'a');
  const daemon = spawn('dockerd', { stdio: ['ignore', output, output] });
  closeSync(output);
  log(`dockerd is started; its log is ${file}`);
  const deadline = performance.now() + STARTS_WITHIN_MS;
  while (!(await succeeds('docker', 'info'))) {
    if (daemon.exitCode !== null || performance.now() > deadline) {
      daemon.kill();
      throw new Error(`dockerd did not start:\n${readFileSync(file, 'utf8').slice(-2_000)}`);
    }
    await delay(200);
  }
  return daemon;
}

function succeeds(program: string, ...args: string[]): Promise<boolean> {
  return promisify(execFile)(program, args).then(
    () => true,
    () => false,
  );
}
