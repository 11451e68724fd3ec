import { readFileSync } from 'node:fs';
import { descendantsOf, readProcesses, type ProcessEntry } from '../storm/process-table.ts';

const EVERY_MS = 1_000;

export interface Peak {
  command: string;
  /** Most memory that it had resident at any time. */
  bytes: number;
}

export interface ProcessWatch {
  /** The largest so far, of each command line the largest alone. Linux only; elsewhere none. */
  peaks(count: number): Peak[];
  stop(): void;
}

/** Looks each second at the processes of the run: its descendants, and whatever else has its folder in its environment. */
export function watchProcesses(folder: string): ProcessWatch {
  const peaks = new Map<string, Peak>();
  const look = (): void => {
    for (const { pid, command } of processesOfRun(folder)) {
      const bytes = peakOf(pid);
      const name = shortName(command, folder);
      if (bytes > (peaks.get(name)?.bytes ?? 0)) peaks.set(name, { command: name, bytes });
    }
  };
  const timer = process.platform === 'linux' ? setInterval(look, EVERY_MS) : undefined;
  timer?.unref();
  return {
    peaks: (count) => [...peaks.values()].sort((a, b) => b.bytes - a.bytes).slice(0, count),
    stop: () => clearInterval(timer),
  };
}

/** What the run with this folder has started and what runs still, itself left out. */
export function processesOfRun(folder: string): ProcessEntry[] {
  const table = readProcesses().filter(({ pid }) => pid !== process.pid);
  const own = new Set(descendantsOf(process.pid, table).map(({ pid }) => pid));
  return table.filter(({ pid, command }) => own.has(pid) || isOf(folder, pid, command));
}

/** Whether a process that this one need not have started belongs to the run with the folder: it has it as TMPDIR or names it. */
export function isOf(folder: string, pid: number, command: string): boolean {
  if (command.includes(`${folder}/`)) return true;
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`TMPDIR=${folder}`);
  } catch {
    return false; // it ended meanwhile, or is another user's
  }
}

function peakOf(pid: number): number {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Number(kilobytes ?? 0) * 1024;
  } catch {
    return 0; // it ended meanwhile
  }
}

/** What tells processes apart for a person, without what differs from one start to the next. */
function shortName(command: string, folder: string): string {
  const words = command
    .replaceAll(folder, '')
    .split(' ')
    .filter((word) => !word.startsWith('--'));
  return words
    .slice(0, 3)
    .map((word) => word.replace(/^.*\/(?=[^/]+\/[^/]+$)/, ''))
    .join(' ')
    .slice(0, 80);
}
