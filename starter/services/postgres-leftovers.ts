import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import path from 'node:path';
import { findProcesses } from '../processes/find-processes.ts';
import { processIdentity } from '../processes/identity.ts';
import { send, stopProcess } from '../processes/stop-process.ts';

/**
 * Makes a data folder free for a server of ours: stops one that still runs on it, and removes its pid file if the pid in it is
 * nobody's or somebody else's by now, which PostgreSQL would take for a running server. Needed before each launch: a server that
 * is killed leaves its pid file, and while it is away any program may get the pid.
 */
export async function freeDataFolder(
  dataDir: string,
  mark: readonly string[],
  log: (line: string) => void,
): Promise<void> {
  const servers = findProcesses(mark);
  for (const pid of servers) {
    const identity = processIdentity(pid);
    if (identity === undefined) continue;
    log(`stopping PostgreSQL (pid ${pid}), left over from an earlier start`);
    await stopProcess(pid, identity, 'SIGINT');
  }
  // Children notice that their server is gone, unless they are frozen; they hold its shared memory, and no new server starts beside it.
  for (const pid of orphansOf(dataDir)) send(pid, 'SIGKILL');
  const pidFile = path.join(dataDir, 'postmaster.pid');
  if (existsSync(pidFile)) rmSync(pidFile);
}

/** Processes of PostgreSQL that work in the folder. None where there is no /proc. */
function orphansOf(dataDir: string): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return (
          readlinkSync(`/proc/${pid}/cwd`) === dataDir &&
          readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'postgres'
        );
      } catch {
        return false; // ended meanwhile, or not ours to look at
      }
    })
    .map(Number);
}
