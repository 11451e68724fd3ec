import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { processIdentity } from '../../starter/processes/identity.ts';
import { readProcesses } from '../storm/process-table.ts';
import { isOf } from './process-watch.ts';

const PREFIX = 'alga-run-';
const OWNER = 'owner';
/** A folder without its owner's name is one that is being made, or of a run that was killed while it made it. */
const MADE_WITHIN_MS = 60_000;

/** A folder for everything that a run writes outside of the checkout: it is TMPDIR of all that it starts. */
export function makeRunFolder(below = os.tmpdir()): string {
  const folder = mkdtempSync(path.join(below, PREFIX));
  chmodSync(folder, 0o711); // PostgreSQL runs as another user and has its files below
  writeFileSync(path.join(folder, OWNER), `${process.pid} ${processIdentity(process.pid) ?? ''}`);
  return folder;
}

/** Ends what runs that were killed have left running, and removes their folders. Other runs that are under way are left alone. */
export function sweepDeadRuns(log: (line: string) => void, below = os.tmpdir()): void {
  for (const name of readdirSync(below)) {
    const folder = path.join(below, name);
    if (!name.startsWith(PREFIX) || isAlive(folder)) continue;
    for (const { pid, command } of readProcesses()) {
      if (pid === process.pid || !isOf(folder, pid, command)) continue;
      log(`ending what a run that was killed has left: ${command.slice(0, 80)} (pid ${pid})`);
      kill(pid);
    }
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended by itself
  }
}

function isAlive(folder: string): boolean {
  try {
    const [pid, ...identity] = readFileSync(path.join(folder, OWNER), 'utf8').split(' ');
    return processIdentity(Number(pid)) === identity.join(' ');
  } catch {
    return isYoung(folder);
  }
}

function isYoung(folder: string): boolean {
  try {
    return Date.now() - statSync(folder).mtimeMs < MADE_WITHIN_MS;
  } catch {
    return true; // its run has just removed it
  }
}
