import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../platform/logger.ts';

const PARTIAL = 'partial-';

export interface DiskCacheOptions {
  folder: string;
  /** Least recently used entries go when this is passed; the newest one always stays. */
  maxBytes: number;
  logger: Logger;
}

/** Folders by name, each complete or not there. */
export interface DiskCache {
  /** Path of an entry's folder; undefined if there is none. Counts as a use. */
  find(name: string): string | undefined;
  /** Fills a new folder and puts it in place when `fill` has ended well; replaces an entry of that name. Answers its path. */
  put(name: string, fill: (folder: string) => Promise<void>): Promise<string>;
  discard(name: string): Promise<void>;
}

/** Takes over what an earlier run left, in the order of its age, and removes what it left half done. */
export async function openDiskCache({ folder, maxBytes, logger }: DiskCacheOptions): Promise<DiskCache> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const sizes = await takeOver(folder); // in the order of use
  let total = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);

  const remove = async (name: string): Promise<void> => {
    total -= sizes.get(name) ?? 0;
    sizes.delete(name);
    await rm(join(folder, name), { recursive: true, force: true });
  };
  const evict = async (kept: string): Promise<void> => {
    for (const name of [...sizes.keys()]) {
      if (total <= maxBytes) return;
      if (name !== kept) await remove(name);
    }
  };
  await evict('');

  return {
    find(name) {
      const bytes = sizes.get(name);
      if (bytes === undefined) return undefined;
      sizes.delete(name);
      sizes.set(name, bytes);
      return join(folder, name);
    },
    async put(name, fill) {
      const partial = await mkdtemp(join(folder, PARTIAL));
      try {
        await fill(partial);
        const bytes = await folderBytes(partial);
        await remove(name);
        await rename(partial, join(folder, name));
        sizes.set(name, bytes);
        total += bytes;
      } catch (err) {
        await rm(partial, { recursive: true, force: true });
        throw err;
      }
      await evict(name).catch((err: unknown) => {
        // The entry is good; the next put tries to make room again.
        logger.warn({ err }, 'cache entry could not be removed');
      });
      return join(folder, name);
    },
    discard: remove,
  };
}

async function takeOver(folder: string): Promise<Map<string, number>> {
  const found: { name: string; bytes: number; usedAt: number }[] = [];
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (name.startsWith(PARTIAL)) await rm(path, { recursive: true, force: true });
    else found.push({ name, bytes: await folderBytes(path), usedAt: (await stat(path)).mtimeMs });
  }
  found.sort((a, b) => a.usedAt - b.usedAt);
  return new Map(found.map(({ name, bytes }) => [name, bytes]));
}

async function folderBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size;
  }
  return bytes;
}
