import { readdirSync, readFileSync } from 'node:fs';

/** A process as Linux's `/proc` shows it. */
export interface ProcessEntry {
  pid: number;
  parent: number;
  command: string;
  residentBytes: number;
}

const PAGE_BYTES = 4096;

/** Everything that runs on the machine now, zombies left out. */
export function readProcesses(): ProcessEntry[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => readProcess(Number(pid)) ?? []);
}

function readProcess(pid: number): ProcessEntry | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may itself hold spaces and parentheses.
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z' || state === 'X') return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    const resident = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
    return { pid, parent: Number(parent), command, residentBytes: resident * PAGE_BYTES };
  } catch {
    return undefined; // it ended while we looked
  }
}

/** What the process takes for its own pid: in a container another than it has here. */
export function ownPidOf(pid: number): number {
  const [, own] = /^NSpid:.*\s(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(own ?? pid);
}

/** Children, and theirs, parents first. */
export function descendantsOf(pid: number, table = readProcesses()): ProcessEntry[] {
  const children = table.filter(({ parent }) => parent === pid);
  return [...children, ...children.flatMap((child) => descendantsOf(child.pid, table))];
}

/** Undefined if it is gone, or another user's. */
export function openFilesOf(pid: number): number | undefined {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return undefined;
  }
}
