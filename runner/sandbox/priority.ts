import { writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Of sandboxes, nice(2): guests have what the processes that serve every tenant leave. A third of their weight, so that a busy machine still lets guests
 * meet their deadlines (docs/decisions/0040-guests-yield-to-the-platform.md).
 */
export const NICENESS = 5;

/** Who may not do everything is let do this once in 100 ms, whoever else did. */
const TRIES = 50;
const BETWEEN_MS = 100;

/**
 * The leader of a session leads a scheduling group, sched(7) "The autogroup feature": between groups a process's niceness says nothing, and the group has its own.
 * Where the system has no such groups nothing is done.
 */
export async function lowerGroup(leader: number): Promise<void> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    try {
      await writeFile(`/proc/${leader}/autogroup`, String(NICENESS), { flag: 'r+' });
      return;
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== 'EAGAIN') return; // it has ended, or the system knows no groups
    }
    await delay(BETWEEN_MS, undefined, { ref: false });
  }
}
