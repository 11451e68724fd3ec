import type { ChildProcess } from 'node:child_process';

export type Wanted = 'postgres' | 'temporal';

/** What services-process.ts says once everything it was asked for runs. */
export interface TestServices {
  databaseUrl?: string;
  temporalAddress?: string;
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
