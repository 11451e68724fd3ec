import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { link, mkdir, open, opendir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { PlatformError } from '../../core/errors.ts';
import { createByteCount } from './announced-bytes.ts';
import { assertObjectKey } from './object-key.ts';
import type {
  ByteSource,
  ListedObject,
  ObjectStore,
  PutOnceOptions,
  PutOptions,
  ReadOptions,
} from './object-store.ts';

/** A large object goes to the disk bit by bit: all at once it would hold up whoever else syncs there, a database for one. */
const SYNCED_BYTES = 4 * 1024 * 1024;

/**
 * Objects as files below one folder. A write goes to a file of its own beside its target and becomes visible whole, by `rename`, or by
 * `link` where nothing may be replaced; what a crash leaves behind begins with "." and is no object.
 */
export function createFolderObjectStore({ folder }: { folder: string }): ObjectStore {
  const unavailable = (cause: unknown): PlatformError =>
    new PlatformError('OBJECT_STORE_UNAVAILABLE', `the object store (folder ${folder}) did not do its part`, {
      cause,
    });

  /** Runs file system calls, and nothing of the caller's, so that every error is the store's. */
  async function disk<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (cause) {
      throw unavailable(cause);
    }
  }

  function fileOf(key: string): string {
    assertObjectKey(key);
    return path.join(folder, ...key.split('/'));
  }

  /** Writes the bytes beside `file`, durably, has them `published`, and takes away what is left. */
  async function write(
    file: string,
    source: ByteSource,
    { signal, announced }: { signal?: AbortSignal | undefined; announced?: PutOnceOptions },
    publish: (temporary: string) => Promise<void>,
  ): Promise<number> {
    const parent = path.dirname(file);
    const temporary = besides(file);
    const count = createByteCount(announced);
    await disk(() => mkdir(parent, { recursive: true }));
    const handle = await disk(() => open(temporary, 'wx', 0o600));
    let unsynced = 0;
    let syncing = Promise.resolve();
    try {
      try {
        for await (const chunk of source instanceof Uint8Array ? [source] : source) {
          signal?.throwIfAborted();
          count.add(chunk);
          await disk(() => handle.writeFile(chunk));
          unsynced += chunk.byteLength;
          if (unsynced < SYNCED_BYTES) continue;
          unsynced = 0;
          await syncing;
          syncing = disk(() => handle.datasync()); // beside what is written next
          syncing.catch(() => undefined); // it is waited for below
        }
        count.end();
        await syncing;
        await disk(() => handle.sync());
      } finally {
        await Promise.allSettled([syncing]);
        await disk(() => handle.close());
      }
      await publish(temporary);
      await disk(() => syncFolder(parent));
    } finally {
      await disk(() => rm(temporary, { force: true }));
    }
    return count.size;
  }

  async function mustHold(file: string, key: string, sha256: string): Promise<void> {
    if ((await disk(() => sha256Of(file))) === sha256) return;
    throw new PlatformError('OBJECT_CONFLICT', `the object ${key} is there already with other bytes`);
  }

  /** Files below a folder: objects, or what writes left behind. One that is gone by now is left out. */
  async function* files(prefix: string, wanted: 'objects' | 'unfinished'): AsyncGenerator<ListedObject> {
    assertObjectKey(prefix.slice(0, -1));
    const found = await disk(() => unlessGone(opendir(path.join(folder, prefix), { recursive: true })));
    try {
      for await (const entry of found ?? []) {
        if (!entry.isFile() || entry.name.startsWith('.') !== (wanted === 'unfinished')) continue;
        const file = path.join(entry.parentPath, entry.name);
        const stats = await unlessGone(stat(file));
        const key = path.relative(folder, file).split(path.sep).join('/');
        if (stats) yield { key, modifiedAt: stats.mtime };
      }
    } catch (cause) {
      throw unavailable(cause);
    }
  }

  return {
    async read(key, { signal, range }: ReadOptions = {}) {
      const file = fileOf(key);
      const whole = await disk(() => sizeOf(file));
      if (whole === undefined) return undefined;
      const { start, end } = range ?? { start: 0, end: whole };
      const size = Math.max(0, Math.min(end, whole) - start);
      // Opened when it is read, so that an answer nobody reads holds no file open.
      async function* body(): AsyncGenerator<Uint8Array> {
        if (size === 0) return;
        const stream = createReadStream(file, {
          start,
          end: start + size - 1,
        }) as AsyncIterable<Uint8Array>;
        try {
          for await (const chunk of stream) {
            if (signal?.aborted) break;
            yield chunk;
          }
        } catch (cause) {
          throw unavailable(cause);
        }
        signal?.throwIfAborted();
      }
      return { size, body: body() };
    },

    async put(key, source, options: PutOptions = {}) {
      const file = fileOf(key);
      return write(file, source, { signal: options.signal }, (temporary) =>
        disk(() => rename(temporary, file)),
      );
    },

    async putOnce(key, source, options) {
      const file = fileOf(key);
      await write(file, source, { signal: options.signal, announced: options }, async (temporary) => {
        if (await disk(() => linkIfAbsent(temporary, file))) return;
        await mustHold(file, key, options.sha256);
      });
    },

    // A second name for the same file: no write of this store changes a file in place.
    async copy(from, to) {
      const [source, target] = [fileOf(from), fileOf(to)];
      const temporary = besides(target);
      await disk(() => mkdir(path.dirname(target), { recursive: true }));
      try {
        const linked = await disk(() => unlessGone(link(source, temporary).then(() => true)));
        if (linked) await disk(() => rename(temporary, target));
        return linked ?? false;
      } finally {
        await disk(() => rm(temporary, { force: true })); // a rename onto the same file leaves both names
      }
    },

    async copyOnce(from, to, { sha256 }) {
      const [source, target] = [fileOf(from), fileOf(to)];
      await disk(() => mkdir(path.dirname(target), { recursive: true }));
      const linked = await disk(() => unlessGone(linkIfAbsent(source, target)));
      if (linked === undefined) return false;
      if (linked) await disk(() => syncFolder(path.dirname(target)));
      else await mustHold(target, to, sha256);
      return true;
    },

    async remove(key) {
      const file = fileOf(key);
      await disk(() => rm(file, { force: true }));
    },

    list: (prefix) => files(prefix, 'objects'),

    async removeUnfinished(prefix, { before, dryRun }) {
      let count = 0;
      for await (const { key, modifiedAt } of files(prefix, 'unfinished')) {
        if (modifiedAt >= before) continue;
        count += 1;
        if (!dryRun) await disk(() => rm(path.join(folder, key), { force: true }));
      }
      return count;
    },

    describe: () => `folder ${folder}`,
  };
}

/** A name of its own for what is on its way to be the file. */
function besides(file: string): string {
  return path.join(path.dirname(file), `.${path.basename(file)}.${randomUUID()}`);
}

async function sizeOf(file: string): Promise<number | undefined> {
  const stats = await unlessGone(stat(file));
  return stats?.isFile() ? stats.size : undefined;
}

async function unlessGone<Result>(look: Promise<Result>): Promise<Result | undefined> {
  try {
    return await look;
  } catch (err) {
    if (isErrno(err, 'ENOENT')) return undefined;
    throw err;
  }
}

/** False if there is a file already, which stays as it is. */
async function linkIfAbsent(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (err) {
    if (isErrno(err, 'EEXIST')) return false;
    throw err;
  }
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file) as AsyncIterable<Uint8Array>) hash.update(chunk);
  return hash.digest('hex');
}

/** Makes a new name in a folder survive a power cut. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return; // has no handle for a folder
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isErrno(err: unknown, code: string): boolean {
  // Not `instanceof Error`: Node's own errors come from another realm under Jest.
  return typeof err === 'object' && err !== null && 'code' in err && err.code === code;
}
