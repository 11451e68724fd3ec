import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createLogger } from '../../platform/logger.ts';
import { newFolderOfRun, openDiskCache, type DiskCache } from './disk-cache.ts';

const logger = createLogger({ level: 'silent', process: 'runner' });
/** What a folder with one small file counts for. */
const SMALL = 2 * 4096;

const folders: string[] = [];
afterEach(async () => {
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
});

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'disk-'));
  folders.push(folder);
  return folder;
}

const fill = (bytes: number) => (folder: string) => writeFile(join(folder, 'file'), Buffer.alloc(bytes));
const there = (disk: DiskCache, names: string[]) => names.filter((name) => disk.find(name) !== undefined);

describe('the disk cache', () => {
  it('removes what was not used for longest when it is full', async () => {
    const disk = await openDiskCache({ folder: await newFolder(), maxBytes: 2.5 * SMALL, logger });
    await disk.put('ui-a', fill(100));
    await disk.put('ui-b', fill(100));
    expect(disk.find('ui-a')).toBeDefined();
    await disk.put('ui-c', fill(100));
    expect(there(disk, ['ui-a', 'ui-b', 'ui-c'])).toEqual(['ui-a', 'ui-c']);
  });

  it('leaves the folder of another process alone', async () => {
    const folder = await newFolder();
    await mkdir(join(folder, 'ui'));
    await writeFile(join(folder, 'ui', 'page'), Buffer.alloc(10 * SMALL));
    const disk = await openDiskCache({ folder, maxBytes: 2.5 * SMALL, except: ['ui'], logger });
    for (const name of ['a', 'b', 'c']) await disk.put(name, fill(100));
    expect(disk.find('ui')).toBeUndefined();
    expect((await readdir(folder)).sort()).toEqual(['b', 'c', 'ui']);
  });

  it('counts the blocks that small files take', async () => {
    const disk = await openDiskCache({ folder: await newFolder(), maxBytes: 50 * 4096, logger });
    const many = async (folder: string) => {
      for (let n = 0; n < 30; n += 1) await writeFile(join(folder, String(n)), 'x');
    };
    await disk.put('ui-a', many);
    await disk.put('ui-b', many);
    expect(there(disk, ['ui-a', 'ui-b'])).toEqual(['ui-b']);
  });

  it('keeps the newest entry even when it alone is too large', async () => {
    const disk = await openDiskCache({ folder: await newFolder(), maxBytes: 10, logger });
    await disk.put('a', fill(100));
    expect(disk.find('a')).toBeDefined();
  });

  it('has nothing of an entry whose filling failed', async () => {
    const folder = await newFolder();
    const disk = await openDiskCache({ folder, maxBytes: 4 * SMALL, logger });
    const failing = async (partial: string) => {
      await fill(10)(partial);
      throw new Error('broken off');
    };
    await expect(disk.put('a', failing)).rejects.toThrow('broken off');
    expect(disk.find('a')).toBeUndefined();
    expect(await readdir(folder)).toEqual([]);
  });

  it('takes over what an earlier run left, but not what it left half done', async () => {
    const folder = await newFolder();
    const first = await openDiskCache({ folder, maxBytes: 4 * SMALL, logger });
    await first.put('a', fill(10));
    const begun = Promise.withResolvers<undefined>();
    void first.put('b', () => {
      begun.resolve(undefined);
      return new Promise(() => undefined); // as if the process had died here
    });
    await begun.promise;
    const second = await openDiskCache({ folder, maxBytes: 4 * SMALL, logger });
    expect(second.find('a')).toBeDefined();
    expect(await readdir(folder)).toEqual(['a']);
  });

  it('leaves the folder of the run that opens it, which the next one removes', async () => {
    const folder = await newFolder();
    const own = await newFolderOfRun(folder);
    await fill(10_000)(own);
    const disk = await openDiskCache({ folder, maxBytes: 2.5 * SMALL, except: [basename(own)], logger });
    await disk.put('a', fill(10));
    await disk.put('b', fill(10));
    expect(disk.find('a')).toBeDefined();
    expect(existsSync(join(own, 'file'))).toBe(true);
    await openDiskCache({ folder, maxBytes: 2.5 * SMALL, logger });
    expect(existsSync(own)).toBe(false);
  });
});
