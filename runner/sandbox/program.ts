import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Logger } from '../../platform/logger.ts';
import { PROGRAM_ROOT, PROGRAM_SCRIPT, SNAPSHOT_FLAGS, type SandboxProgram } from './process.ts';

const STRIP_TYPES = join(import.meta.dirname, 'strip-types.ts');
/** What the program imports of Node: loaded once, into the snapshot. */
const NODE_MODULES = ['crypto', 'net', 'timers/promises', 'util', 'zlib'];
const run = promisify(execFile);
const SLOWER = 'sandboxes start from the sources, more slowly, until the next start of the runner';

/**
 * The sandbox's program without its types, and a snapshot of Node to start it from, in a folder that stays while sandboxes are started. Else
 * Node would strip and compile them in each one, which costs more than all the rest of a start: see docs/decisions/0044.
 */
export async function prepareProgram(folder: string): Promise<SandboxProgram> {
  // A sandbox starts elsewhere, and Node, which looks for what a link stands for, lets it read what it was told and nothing else.
  const target = await realpath(folder);
  const snapshot = join(target, 'node.snapshot');
  await Promise.all([stripTypes(target), takeSnapshot(target, snapshot)]);
  const script = join(target, PROGRAM_SCRIPT.replace(/\.ts$/, '.mjs'));
  return { script, readable: [`${target}/`], snapshot };
}

async function stripTypes(target: string): Promise<void> {
  const args = ['--disable-warning=ExperimentalWarning', STRIP_TYPES, PROGRAM_ROOT, PROGRAM_SCRIPT, target];
  await run(process.execPath, args);
}

async function takeSnapshot(target: string, snapshot: string): Promise<void> {
  const script = join(target, 'node-modules.cjs');
  await writeFile(script, NODE_MODULES.map((name) => `require('node:${name}');\n`).join(''));
  await run(process.execPath, [...SNAPSHOT_FLAGS, '--snapshot-blob', snapshot, '--build-snapshot', script]);
}

/**
 * What a sandbox is to be started from, asked before each: the prepared program while it is there, else our sources. A full disk, a
 * cleaner or another runner with the same cache so makes starts slower, which is logged once, and keeps no call from being served.
 */
export async function prepareSandboxProgram(
  newFolder: () => Promise<string>,
  logger: Logger,
): Promise<() => SandboxProgram | undefined> {
  let program: SandboxProgram | undefined;
  try {
    program = await prepareProgram(await newFolder());
  } catch (err) {
    logger.warn({ err }, `the sandboxes' program could not be prepared: ${SLOWER}`);
  }
  return () => {
    if (program !== undefined && !isThere(program)) {
      logger.warn({ script: program.script }, `the sandboxes' program is gone from the cache: ${SLOWER}`);
      program = undefined;
    }
    return program;
  };
}

function isThere({ script, snapshot }: SandboxProgram): boolean {
  return existsSync(script) && (snapshot === undefined || existsSync(snapshot));
}
