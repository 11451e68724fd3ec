import path from 'node:path';
import { findProcesses } from './processes/find-processes.ts';
import { processIdentity } from './processes/identity.ts';
import { recoverLeftovers, type LedgerEntry } from './processes/ledger.ts';
import { stopProcess } from './processes/stop-process.ts';
import { roleMark } from './roles.ts';
import { clusterMark, postgresMark } from './services/postgres.ts';
import { temporalMark } from './services/temporal-server.ts';

/**
 * Stops whatever an earlier starter left running on a data folder whose start lock is ours: what its ledger names, and then what the
 * ledger could not hold because it was lost, damaged or written on a full disk, by arguments that only a process of this folder has.
 */
export async function stopLeftovers(dataDir: string, log: (line: string) => void): Promise<void> {
  await recoverLeftovers(path.join(dataDir, 'processes.json'), log);
  const postgres = path.join(dataDir, 'postgres');
  const marks: [string, readonly string[], LedgerEntry['stopSignal']][] = [
    ['a role', [roleMark(dataDir)], 'SIGTERM'],
    ['temporal', temporalMark(path.join(dataDir, 'temporal')), 'SIGTERM'],
    ['postgres', postgresMark(postgres), 'SIGINT'],
    ['initdb', [clusterMark(postgres)], 'SIGTERM'],
  ];
  for (const [name, args, stopSignal] of marks) {
    for (const pid of findProcesses(args)) {
      const identity = processIdentity(pid);
      if (identity === undefined) continue;
      log(`stopping ${name} (pid ${pid}), left over from an earlier start`);
      await stopProcess(pid, identity, stopSignal);
    }
  }
}
