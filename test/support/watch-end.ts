import { processIdentity } from '../../starter/processes/identity.ts';

/** Asks whether the process has ended. Its pid may be another's by then: on a busy machine they come round within a minute, and threads take some, too. */
export function watchEnd(pid: number): () => boolean {
  const identity = processIdentity(pid);
  return () => identity === undefined || processIdentity(pid) !== identity;
}
