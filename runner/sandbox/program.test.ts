import { mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createLogger } from '../../platform/logger.ts';
import { testedIsolations } from '../../test/support/isolations.ts';
import { prepareSandboxProgram, prepareProgram } from './program.ts';
import type { SandboxProgram } from './process.ts';
import { createSandbox } from './sandbox.ts';

const logger = createLogger({ level: 'silent', process: 'runner' });

let parent: string;
let folder: string;
let program: SandboxProgram;
beforeAll(async () => {
  parent = await realpath(await mkdtemp(join(tmpdir(), 'program-')));
  folder = join(parent, 'folder');
  await mkdir(folder);
  const link = join(parent, 'link'); // as a cache on another disk is often put in its place
  await symlink(folder, link);
  program = await prepareProgram(relative(process.cwd(), link));
});
afterAll(() => rm(parent, { recursive: true }));

it.each(await testedIsolations())('starts a sandbox without its sources (%s)', async (isolation) => {
  const sandbox = createSandbox(logger, isolation, { program });
  try {
    expect(await sandbox.ready).toBe(true);
  } finally {
    sandbox.kill('closing');
    await sandbox.exited;
  }
});

it('imports of Node what its snapshot holds', async () => {
  const names = await readdir(folder, { recursive: true });
  const sources = names
    .filter((name) => name.endsWith('.mjs'))
    .map((name) => readFile(join(folder, name), 'utf8'));
  const imported = (await Promise.all(sources)).flatMap((source) =>
    [...source.matchAll(/\bfrom 'node:([^']+)';$/gm)].map(([, name = '']) => name),
  );
  const loaded = await readFile(join(folder, 'node-modules.cjs'), 'utf8');
  expect([...new Set(imported)].sort()).toEqual(
    [...loaded.matchAll(/node:([^']+)/g)].map(([, name]) => name),
  );
});

it('reads nothing but itself: JavaScript without imports of sources', async () => {
  expect(program.readable).toEqual([`${folder}/`]);
  const names = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile());
  expect(files.length).toBeGreaterThan(20);
  const ofNode = ['node.snapshot', 'node-modules.cjs'];
  expect(files.map(({ name }) => name)).toEqual(expect.arrayContaining(ofNode));
  for (const { parentPath, name } of files.filter((file) => !ofNode.includes(file.name))) {
    expect(name).toMatch(/\.mjs$/);
    expect(await readFile(join(parentPath, name), 'utf8')).not.toMatch(/\bfrom '[^']*\.ts';$/m);
  }
});

describe('the program that sandboxes are started from', () => {
  it('is our sources where there is no room for another', async () => {
    const missing = await prepareSandboxProgram(() => Promise.resolve(join(parent, 'missing')), logger);
    expect(missing()).toBeUndefined();
    const full = await prepareSandboxProgram(() => Promise.reject(new Error('ENOSPC')), logger);
    expect(full()).toBeUndefined();
  });

  it.each(['node.snapshot', 'runner'])('is our sources once its %s is gone', async (part) => {
    const own = await mkdtemp(join(parent, 'own-'));
    const current = await prepareSandboxProgram(() => Promise.resolve(own), logger);
    expect(current()).toBeDefined();
    await rm(join(own, part), { recursive: true });
    expect(current()).toBeUndefined();
  });

  it('is our sources once another runner or a cleaner has removed it, of which one line tells', async () => {
    const warn = jest.spyOn(logger, 'warn');
    const own = await mkdtemp(join(parent, 'own-'));
    const current = await prepareSandboxProgram(() => Promise.resolve(own), logger);
    expect(current()).toMatchObject({ readable: [`${own}/`] });
    await rm(own, { recursive: true });
    expect([current(), current()]).toEqual([undefined, undefined]);
    expect(warn).toHaveBeenCalledTimes(1);
  });
});
