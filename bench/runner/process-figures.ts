import { readFileSync } from 'node:fs';

// From /proc, so that what is measured need not measure itself. Linux alone has it.

/** Ticks of the clock that Linux counts CPU time in; 100 a second on every architecture that Node runs on. */
const TICK_MICROS = 10_000;
/** Of the machines that this was run on. */
const PAGE_BYTES = 4096;

/** CPU time of a process with all its threads, in microseconds; 10 ms is the smallest step. */
export function cpuMicros(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MICROS;
}

/** Every process below one: sandboxes, and what stands before them. */
export function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}

/** Bytes of a process and all below it. */
export interface TreeMemory {
  /** Resident, with what others share counted for each. */
  resident: number;
  /** The same, with what is shared counted once: Node's own code above all, which every process has and no further one adds to. */
  proportional: number;
}

export function treeMemory(pid: number): TreeMemory {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const bytesOf = (field: string): number =>
    Number(new RegExp(`^${field}: +(\\d+) kB`, 'm').exec(rollup)?.[1] ?? Number.NaN) * 1024;
  let [resident, proportional] = [bytesOf('Rss'), bytesOf('Pss')];
  for (const child of childrenOf(pid)) {
    const below = treeMemory(child);
    resident += below.resident;
    proportional += below.proportional;
  }
  return { resident, proportional };
}

/** Bytes, shared ones in each process that has them; asked of the kernel's own count, which holds up nobody who is looked at. */
export function treeResident(pid: number): number {
  const [, pages = '0'] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ');
  return childrenOf(pid).reduce((sum, child) => sum + treeResident(child), Number(pages) * PAGE_BYTES);
}
