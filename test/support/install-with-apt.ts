import os from 'node:os';
import path from 'node:path';
import type { Environment } from '../../platform/config/environment.ts';
import { findProgram, isOnPath, type Program } from '../../starter/services/find-program.ts';
import { runCommand } from '../../starter/services/run-command.ts';

const INSTALL_WITHIN_MS = 5 * 60_000;

/** The program, which on CI's machine, being Debian's and root's, is installed first where it is missing. */
export async function findOrInstall(
  program: Program,
  debianPackage: string,
  environment: Environment,
): Promise<string | undefined> {
  const find = (): Promise<string | undefined> => findProgram(program, { environment, log: console.log });
  const found = await find();
  const isOurs = environment['CI'] !== undefined && process.getuid?.() === 0;
  if (found !== undefined || !isOurs || !isOnPath('apt-get', environment)) return found;
  console.log(`installing ${program.title} with apt-get (once)`);
  const env = { PATH: environment['PATH'] ?? '', DEBIAN_FRONTEND: 'noninteractive' };
  // Several test files may come to this at once.
  const lock = path.join(os.tmpdir(), 'alga-platform-apt.lock');
  const install = `apt-get update && apt-get install -y --no-install-recommends ${debianPackage}`;
  const once = `command -v ${program.name} || { ${install}; }`;
  await runCommand('flock', [lock, 'sh', '-c', once], { env, withinMs: INSTALL_WITHIN_MS });
  return find();
}
