import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../platform/logger.ts';

const PARTIAL = 'partial-';
const BLOCK_BYTES = 4096;

export interface DiskCacheOptions {
  folder: string;
  /** Least recently used entries go when this is passed; the newest one always stays. */
  maxBytes: number;
  /** Folders in it that are another's, or of this run. */
  except?: readonly string[];
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

/** A new folder in that of a cache, which is no entry and counts as nothing: it stays until the cache is opened without it. */
export async function newFolderOfRun(cache: string): Promise<string> {
  await mkdir(cache, { recursive: true, mode: 0o700 });
  return mkdtemp(join(cache, PARTIAL));
}

/** Takes over what an earlier run left, in the order of its age, and removes what it left half done or for itself alone. */
export async function openDiskCache({
  folder,
  maxBytes,
  except = [],
  logger,
}: DiskCacheOptions): Promise<DiskCache> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const sizes = await takeOver(folder, except); // in the order of use
  let total = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);

  const remove = async (name: string): Promise<void> => {
    total -= sizes.get(name) ?? 0;
    sizes.delete(name);
    // Out of the way in one step, or its files would be removed from among those of the next entry of that name.
    const doomed = join(folder, PARTIAL + randomUUID());
    await rename(join(folder, name), doomed).catch(unlessGone);
    await rm(doomed, { recursive: true, force: true });
  };
  const evict = async (kept: string): Promise<void> => {
    for (const oldest of [...sizes.keys()]) {
      if (total <= maxBytes) return;
      if (oldest !== kept) await remove(oldest);
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

async function takeOver(folder: string, except: readonly string[]): Promise<Map<string, number>> {
  const found: { name: string; bytes: number; usedAt: number }[] = [];
  for (const name of await readdir(folder)) {
    if (except.includes(name)) continue;
    const path = join(folder, name);
    if (name.startsWith(PARTIAL)) await rm(path, { recursive: true, force: true });
    else found.push({ name, bytes: await folderBytes(path), usedAt: (await stat(path)).mtimeMs });
  }
  found.sort((a, b) => a.usedAt - b.usedAt);
  return new Map(found.map(({ name, bytes }) => [name, bytes]));
}

/** What it takes of a disk: a file of one byte has a block of its own, and so has a folder. */
async function folderBytes(folder: string): Promise<number> {
  let blocks = 1;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) blocks += 1;
    else
      blocks += Math.max(1, Math.ceil((await stat(join(entry.parentPath, entry.name))).size / BLOCK_BYTES));
  }
  return blocks * BLOCK_BYTES;
}

function unlessGone(err: unknown): void {
  if ((err as { code?: unknown }).code !== 'ENOENT') throw err;
}
