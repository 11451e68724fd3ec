import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

export type Wanted = 'postgres' | 'temporal';

/** What services-process.ts says once everything it was asked for runs. */
export interface TestServices {
  databaseUrl?: string;
  temporalAddress?: string;
}

export interface StartedServices {
  /** Where they are, as tests read it. */
  environment: Record<string, string>;
  child: ChildProcess;
}

/** Starts servers for tests, in a process that stops them when this one is gone, however it ended. */
export async function startServices(
  wanted: readonly Wanted[],
  environment: NodeJS.ProcessEnv = process.env,
): Promise<StartedServices> {
  const script = path.join(import.meta.dirname, 'services-process.ts');
  const child = spawn(process.execPath, [script, ...wanted], {
    env: environment,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const failed = once(child, 'exit').then(() => {
    throw new Error('the servers of the tests did not start');
  });
  const [services] = (await Promise.race([once(child, 'message'), failed])) as [TestServices];
  failed.catch(() => undefined); // it ends when it is stopped
  const { databaseUrl, temporalAddress } = services;
  return {
    environment: {
      ...(databaseUrl !== undefined && { TEST_DATABASE_URL: databaseUrl }),
      ...(temporalAddress !== undefined && { TEST_TEMPORAL_ADDRESS: temporalAddress }),
    },
    child,
  };
}

export async function stopServices(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  if (child.connected) child.disconnect();
  await ended;
}

// Jest runs set-up and teardown in one process but loads them apart; this is what they share.
const KEY = Symbol.for('alga.integration-services');
const store = globalThis as typeof globalThis & { [KEY]?: ChildProcess | undefined };

export function keepForTeardown(started: ChildProcess): void {
  store[KEY] = started;
}

export function takeForTeardown(): ChildProcess | undefined {
  const started = store[KEY];
  store[KEY] = undefined;
  return started;
}
