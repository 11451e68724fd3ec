import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { processIdentity } from './identity.ts';
import { stopProcess } from './stop-process.ts';

const entry = z.object({
  name: z.string(),
  pid: z.int().positive(),
  identity: z.string(),
  stopSignal: z.enum(['SIGTERM', 'SIGINT']),
});
export type LedgerEntry = z.infer<typeof entry>;

/** What was started and must be stopped, on disk, so that a start after a crash knows the leftovers. */
export interface Ledger {
  add(name: string, pid: number, stopSignal: LedgerEntry['stopSignal']): void;
  remove(pid: number): void;
  running(): readonly LedgerEntry[];
}

/** Writes synchronously: between starting a process and noting it there must be no gap, unless the disk is full. */
export function createLedger(file: string, log: (line: string) => void): Ledger {
  let entries: LedgerEntry[] = [];
  let saved = true;
  const save = (): void => {
    try {
      writeFileSync(`${file}.new`, JSON.stringify(entries, null, 2), { mode: 0o600 });
      renameSync(`${file}.new`, file);
      saved = true;
    } catch (cause) {
      // No reason to stop: the next change writes all of it, and leftovers.ts knows a process by its command line too.
      if (saved) log(`${file} cannot be written: ${(cause as Error).message}`);
      saved = false;
    }
  };
  return {
    add(name, pid, stopSignal) {
      const identity = processIdentity(pid);
      if (identity === undefined) return; // ended already
      entries.push({ name, pid, identity, stopSignal });
      save();
    },
    remove(pid) {
      entries = entries.filter((one) => one.pid !== pid);
      save();
    },
    running: () => entries,
  };
}

/** Stops what an earlier starter left running, and nothing else: a pid counts only with the identity noted beside it. */
export async function recoverLeftovers(file: string, log: (line: string) => void): Promise<void> {
  // The last started first, so that whoever drains still has what it calls.
  for (const { name, pid, identity, stopSignal } of readLedger(file, log).toReversed()) {
    if (processIdentity(pid) !== identity) continue;
    log(`stopping ${name} (pid ${pid}), left over from an earlier start`);
    await stopProcess(pid, identity, stopSignal);
  }
}

function readLedger(file: string, log: (line: string) => void): LedgerEntry[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return []; // first start
  }
  try {
    return z.array(entry).parse(JSON.parse(text));
  } catch {
    log(`${file} is unreadable; leftovers of an earlier start are known by their command lines alone`);
    return [];
  }
}
