import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../platform/logger.ts';

const PARTIAL = 'partial-';
const BLOCK_BYTES = 4096;

export interface DiskCacheOptions {
  folder: string;
  /** Least recently used entries go when this is passed, of the kind that holds most; the newest one always stays. */
  maxBytes: number;
  logger: Logger;
}

/** Folders by name, each complete or not there. What a name begins with, up to "-", is its kind. */
export interface DiskCache {
  /** Path of an entry's folder; undefined if there is none. Counts as a use. */
  find(name: string): string | undefined;
  /** Fills a new folder and puts it in place when `fill` has ended well; replaces an entry of that name. Answers its path. */
  put(name: string, fill: (folder: string) => Promise<void>): Promise<string>;
  discard(name: string): Promise<void>;
  /** A new folder that is no entry and counts as nothing: it stays until the next run. */
  folderOfThisRun(): Promise<string>;
}

/** Takes over what an earlier run left, in the order of its age, and removes what it left half done or for itself alone. */
export async function openDiskCache({ folder, maxBytes, logger }: DiskCacheOptions): Promise<DiskCache> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const sizes = await takeOver(folder); // in the order of use
  let total = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);

  const remove = async (name: string): Promise<void> => {
    total -= sizes.get(name) ?? 0;
    sizes.delete(name);
    // Out of the way in one step, or its files would be removed from among those of the next entry of that name.
    const doomed = join(folder, PARTIAL + randomUUID());
    await rename(join(folder, name), doomed).catch(unlessGone);
    await rm(doomed, { recursive: true, force: true });
  };
  /** Of the kind that holds most, so that many of one kind, which anybody may ask for, do not push out the others. */
  const evict = async (kept: string): Promise<void> => {
    while (total > maxBytes) {
      const oldest = oldestOfLargestKind(sizes, kept);
      if (oldest === undefined) return;
      await remove(oldest);
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
    folderOfThisRun: () => mkdtemp(join(folder, PARTIAL)),
  };
}

/** By name and bytes, in the order of use. */
function oldestOfLargestKind(sizes: ReadonlyMap<string, number>, kept: string): string | undefined {
  const kinds = new Map<string, { bytes: number; oldest?: string }>();
  for (const [name, size] of sizes) {
    const kind = name.split('-', 1)[0] ?? '';
    const { bytes, oldest = name === kept ? undefined : name } = kinds.get(kind) ?? { bytes: 0 };
    kinds.set(kind, { bytes: bytes + size, ...(oldest !== undefined && { oldest }) });
  }
  let largest: { bytes: number; oldest?: string } | undefined;
  for (const kind of kinds.values()) {
    if (kind.oldest !== undefined && kind.bytes > (largest?.bytes ?? -1)) largest = kind;
  }
  return largest?.oldest;
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
