import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createLogger } from '../../platform/logger.ts';
import { testedIsolations } from '../../test/support/isolations.ts';
import { stripSandboxProgram } from './program.ts';
import type { SandboxProgram } from './process.ts';
import { createSandbox } from './sandbox.ts';

let folder: string;
let program: SandboxProgram;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'program-'));
  program = await stripSandboxProgram(relative(process.cwd(), folder));
});
afterAll(() => rm(folder, { recursive: true }));

it.each(await testedIsolations())('starts a sandbox without its sources (%s)', async (isolation) => {
  const logger = createLogger({ level: 'silent', process: 'runner' });
  const sandbox = createSandbox(logger, isolation, { program });
  try {
    expect(await sandbox.ready).toBe(true);
  } finally {
    sandbox.kill('closing');
    await sandbox.exited;
  }
});

it('reads nothing but itself: JavaScript without imports of sources', async () => {
  expect(program.readable).toEqual([`${folder}/`]);
  const names = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile());
  expect(files.length).toBeGreaterThan(20);
  for (const { parentPath, name } of files) {
    expect(name).toMatch(/\.mjs$/);
    expect(await readFile(join(parentPath, name), 'utf8')).not.toMatch(/\bfrom '[^']*\.ts';$/m);
  }
});
