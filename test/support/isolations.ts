import os from 'node:os';
import path from 'node:path';
import type { Environment } from '../../platform/config/environment.ts';
import { chooseIsolation } from '../../runner/sandbox/isolation.ts';
import type { Isolation } from '../../runner/sandbox/process.ts';
import { findProgram, isOnPath, type Program } from '../../starter/services/find-program.ts';
import { runCommand } from '../../starter/services/run-command.ts';
import { isLong } from './ring.ts';

const INSTALL_WITHIN_MS = 5 * 60_000;

const BUBBLEWRAP: Program = {
  name: 'bwrap',
  title: 'bubblewrap',
  variable: 'BUBBLEWRAP',
  cachedIn: 'bubblewrap',
};

/**
 * The levels that whatever stands around a sandbox is tested at: in the gate the strongest alone. Where bubblewrap is missing it is installed if this is CI's machine; where it
 * does not work, that is said aloud and passed over, but for CI, where it fails.
 */
export async function testedIsolations(environment: Environment = process.env): Promise<Isolation[]> {
  const isCi = environment['CI'] !== undefined;
  if (isCi) await installBubblewrap(environment);
  const { isolation, without } = await chooseIsolation(isCi ? 'bubblewrap' : 'auto');
  if (isolation === 'bubblewrap') return isLong ? ['bubblewrap', 'process'] : ['bubblewrap'];
  console.warn(`SKIPPED: nothing is tested behind bubblewrap, which does not work here: ${without ?? ''}`);
  return ['process'];
}

async function installBubblewrap(environment: Environment): Promise<void> {
  const found = await findProgram(BUBBLEWRAP, { environment, log: console.log });
  if (found !== undefined || process.getuid?.() !== 0 || !isOnPath('apt-get', environment)) return;
  console.log('installing bubblewrap with apt-get (once)');
  const env = { PATH: environment['PATH'] ?? '', DEBIAN_FRONTEND: 'noninteractive' };
  // Several test files may come to this at once.
  const lock = path.join(os.tmpdir(), 'alga-platform-apt.lock');
  const install = 'command -v bwrap || { apt-get update && apt-get install -y bubblewrap; }';
  await runCommand('flock', [lock, 'sh', '-c', install], { env, withinMs: INSTALL_WITHIN_MS });
}
