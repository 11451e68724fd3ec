import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { copyRepository, followGuide, readGuide } from '../support/how-to.ts';

let folder: string;
beforeEach(async () => {
  folder = await copyRepository();
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const follow = (markdown: string): Promise<void> => followGuide(readGuide(markdown), folder, {});

describe('following a guide', () => {
  const block = (info: string, ...lines: string[]): string => ['```' + info, ...lines, '```', ''].join('\n');

  it('stops at the first command that fails, with its line and what it said', async () => {
    const guide =
      block('sh', 'echo one > done') +
      block('sh', 'echo no such thing >&2; false | cat') +
      block('sh', 'rm done');
    await expect(follow(guide)).rejects.toThrow(/line 4: .* ended with 1\nno such thing/);
    expect(await readFile(path.join(folder, 'done'), 'utf8')).toBe('one\n');
  });

  it('stops at a change that no longer fits', async () => {
    const guide = block(
      'diff',
      '--- a/LICENSE',
      '+++ b/LICENSE',
      '@@ -1,2 +1,2 @@',
      '-no such line',
      '+another',
      ' nor this',
    );
    await expect(follow(guide)).rejects.toThrow('line 1: git apply ended with 1');
  });

  it('writes files by name, and to the one that a pattern finds', async () => {
    await follow(block('ts title="new/20300101-a.ts"', 'one') + block('ts title="new/*-a.ts"', 'two'));
    expect(await readFile(path.join(folder, 'new', '20300101-a.ts'), 'utf8')).toBe('two\n');
    const another = block('ts title="new/20300102-a.ts"', 'three');
    await expect(follow(another + block('ts title="new/*-a.ts"', 'four'))).rejects.toThrow(
      'must be one file, and there are 2',
    );
  });

  it('knows no block that nobody runs', () => {
    expect(() => readGuide(block('ts', 'const x = 1;'))).toThrow('line 1: a block of "ts" needs a title');
    expect(readGuide(block('text', 'as it is'))).toEqual([]);
  });
});
