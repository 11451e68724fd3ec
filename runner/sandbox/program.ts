import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Logger } from '../../platform/logger.ts';
import { PROGRAM_ROOT, PROGRAM_SCRIPT, type SandboxProgram } from './process.ts';

const STRIP_TYPES = join(import.meta.dirname, 'strip-types.ts');
const SLOWER = 'sandboxes start from the sources, more slowly, until the next start of the runner';

/**
 * The sandbox's program without its types, in a folder that stays while sandboxes are started. Else Node would strip them in each one,
 * which costs more than all the rest of a start: see docs/decisions/0044.
 */
export async function stripSandboxProgram(folder: string): Promise<SandboxProgram> {
  // A sandbox starts elsewhere, and Node, which looks for what a link stands for, lets it read what it was told and nothing else.
  const target = await realpath(folder);
  const args = ['--disable-warning=ExperimentalWarning', STRIP_TYPES, PROGRAM_ROOT, PROGRAM_SCRIPT, target];
  await promisify(execFile)(process.execPath, args);
  return { script: join(target, PROGRAM_SCRIPT.replace(/\.ts$/, '.mjs')), readable: [`${target}/`] };
}

/**
 * What a sandbox is to be started from, asked before each: the stripped program while it is there, else our sources. A full disk, a
 * cleaner or another runner with the same cache so makes starts slower, which is logged once, and keeps no call from being served.
 */
export async function prepareSandboxProgram(
  newFolder: () => Promise<string>,
  logger: Logger,
): Promise<() => SandboxProgram | undefined> {
  let program: SandboxProgram | undefined;
  try {
    program = await stripSandboxProgram(await newFolder());
  } catch (err) {
    logger.warn({ err }, `types of the sandboxes' program could not be stripped: ${SLOWER}`);
  }
  return () => {
    if (program !== undefined && !existsSync(program.script)) {
      logger.warn({ script: program.script }, `the sandboxes' program is gone from the cache: ${SLOWER}`);
      program = undefined;
    }
    return program;
  };
}
