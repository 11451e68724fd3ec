import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { PROGRAM_ROOT, PROGRAM_SCRIPT, type SandboxProgram } from './process.ts';

const STRIP_TYPES = join(import.meta.dirname, 'strip-types.ts');

/**
 * The sandbox's program without its types, in a folder that stays while sandboxes are started. Else Node would strip them in each one,
 * which costs more than all the rest of a start: see docs/decisions/0044.
 */
export async function stripSandboxProgram(folder: string): Promise<SandboxProgram> {
  const target = resolve(folder); // a sandbox starts elsewhere
  const args = ['--disable-warning=ExperimentalWarning', STRIP_TYPES, PROGRAM_ROOT, PROGRAM_SCRIPT, target];
  await promisify(execFile)(process.execPath, args);
  return { script: join(target, PROGRAM_SCRIPT.replace(/\.ts$/, '.mjs')), readable: [`${target}/`] };
}
