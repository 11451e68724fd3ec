import { readFile } from 'node:fs/promises';

const PAGE_BYTES = 4096;

/** Whether this system tells how much memory a process holds. */
export const canMeasureMemory = process.platform === 'linux';

/** Bytes of a process in memory; undefined where the system does not tell, or when it has ended. */
export async function residentMemory(pid: number): Promise<number | undefined> {
  if (!canMeasureMemory) return undefined;
  try {
    const statm = await readFile(`/proc/${pid}/statm`, 'utf8');
    return Number(statm.split(' ')[1]) * PAGE_BYTES;
  } catch {
    return undefined; // it ended between our look at it and this one
  }
}
