import { waitFor } from '../wait-for.ts';
import { processIdentity } from './identity.ts';

/** How long a process may take to finish what it holds: the longest execution by default, and what a gateway adds to it. */
export const GRACE_MS = 60_000;
const KILL_MS = 10_000;

/** Asks first, kills its process group after the grace. Resolves when the process is gone. */
export async function stopProcess(pid: number, identity: string, signal: NodeJS.Signals): Promise<void> {
  send(pid, signal);
  await awaitEnd(pid, identity);
}

/** Of one that was asked: kills its process group after the grace. Resolves when the process is gone. */
export async function awaitEnd(pid: number, identity: string): Promise<void> {
  if (!(await waitFor(() => processIdentity(pid) !== identity, GRACE_MS))) await killProcess(pid, identity);
}

/** Its process group. Resolves when the process is gone. */
export async function killProcess(pid: number, identity: string): Promise<void> {
  send(-pid, 'SIGKILL');
  if (!(await waitFor(() => processIdentity(pid) !== identity, KILL_MS))) {
    throw new Error(`process ${pid} does not end`);
  }
}

/** A negative pid is a process group. One that is gone already is no error. */
export function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    // EPERM: a group of zombies on macOS; a living process of another user is noticed by who waits for its end.
    if (code !== 'ESRCH' && code !== 'EPERM') throw cause;
  }
}
