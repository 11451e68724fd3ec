import { readFile } from 'node:fs/promises';

const PAGE_BYTES = 4096;
/** Linux counts processor time for programs in hundredths of a second, whatever the kernel itself does. */
const TICK_MS = 10;

/** Whether this system tells how much memory a process holds. */
export const canMeasureMemory = process.platform === 'linux';

export interface ProcessUsage {
  residentBytes: number;
  /** Processor time since it began. */
  cpuMs: number;
}

/** What a process uses; undefined where the system does not tell, or when it has ended. */
export async function processUsage(pid: number): Promise<ProcessUsage | undefined> {
  if (!canMeasureMemory) return undefined;
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // proc_pid_stat(5). The name of the program, in parentheses, may hold anything; what follows begins with the third field.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [user, system, pages] = [fields[11], fields[12], fields[21]].map(Number);
    return { residentBytes: (pages ?? 0) * PAGE_BYTES, cpuMs: ((user ?? 0) + (system ?? 0)) * TICK_MS };
  } catch {
    return undefined; // it ended between our look at it and this one
  }
}
