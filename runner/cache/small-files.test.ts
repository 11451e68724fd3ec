import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createSmallFiles } from './small-files.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'small-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

describe('small files in memory', () => {
  it('are what they were when they were read, whatever becomes of the disk', async () => {
    const files = createSmallFiles();
    const path = await file('page', 'page');
    expect(files.get(path)).toBeUndefined();
    expect(Buffer.from((await files.read(path, sha256('page'))) ?? []).toString()).toBe('page');
    await writeFile(path, 'evil');
    expect(Buffer.from(files.get(path) ?? []).toString()).toBe('page');
  });

  it('are not taken that are large, altered, or not there', async () => {
    const files = createSmallFiles(100, 4);
    const path = await file('page', 'evil');
    expect(await files.read(path, sha256('page'))).toBeUndefined();
    expect(await files.read(await file('large', 'large'), sha256('large'))).toBeUndefined();
    expect(await files.read(join(folder, 'none'), sha256(''))).toBeUndefined();
    expect(files.get(path)).toBeUndefined();
  });

  it('make room by what was not used for longest, up to so many bytes', async () => {
    const files = createSmallFiles(8, 4);
    const [a, b, c] = [await file('a', 'aaaa'), await file('b', 'bbbb'), await file('c', 'cccc')];
    await files.read(a, sha256('aaaa'));
    await files.read(b, sha256('bbbb'));
    files.get(a);
    await files.read(c, sha256('cccc'));
    expect([a, b, c].map((path) => files.get(path) !== undefined)).toEqual([true, false, true]);
  });
});
