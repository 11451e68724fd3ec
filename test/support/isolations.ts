import type { Environment } from '../../platform/config/environment.ts';
import { chooseIsolation } from '../../runner/sandbox/isolation.ts';
import type { Isolation } from '../../runner/sandbox/process.ts';
import type { Program } from '../../starter/services/find-program.ts';
import { findOrInstall } from './install-with-apt.ts';

const BUBBLEWRAP: Program = {
  name: 'bwrap',
  title: 'bubblewrap',
  variable: 'BUBBLEWRAP',
  cachedIn: 'bubblewrap',
};

/**
 * The levels that whatever stands around a sandbox is tested at. Where bubblewrap is missing it is installed if this is CI's machine; where it
 * does not work, that is said aloud and passed over, but for CI, where it fails.
 */
export async function testedIsolations(environment: Environment = process.env): Promise<Isolation[]> {
  const isCi = environment['CI'] !== undefined;
  if (isCi) await findOrInstall(BUBBLEWRAP, 'bubblewrap', environment);
  const { isolation, without } = await chooseIsolation(isCi ? 'bubblewrap' : 'auto');
  if (isolation === 'bubblewrap') return ['bubblewrap', 'process'];
  console.warn(`SKIPPED: nothing is tested behind bubblewrap, which does not work here: ${without ?? ''}`);
  return ['process'];
}
