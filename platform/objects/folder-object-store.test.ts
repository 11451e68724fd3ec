import { randomBytes } from 'node:crypto';
import { mkdtemp, open, readdir, rm, writeFile, type FileHandle } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { describeObjectStore } from '../../test/conformance/object-store-conformance.ts';
import { createFolderObjectStore } from './folder-object-store.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'objects-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describeObjectStore('a folder', () =>
  Promise.resolve(createFolderObjectStore({ folder: path.join(folder, 'all') })),
);

describe('createFolderObjectStore', () => {
  it('leaves no other file behind, whether a write ended well or not', async () => {
    const root = path.join(folder, 'tidy');
    const store = createFolderObjectStore({ folder: root });
    await store.put('a/b', randomBytes(10));
    await expect(
      store.putOnce('a/c', randomBytes(10), { sha256: '0'.repeat(64), size: 10 }),
    ).rejects.toMatchObject({ code: 'BUNDLE_CORRUPT' });
    expect(await readdir(path.join(root, 'a'))).toEqual(['b']);
  });

  it('says that it is unavailable when its folder cannot be used, and keeps the cause', async () => {
    const file = path.join(folder, 'a-file');
    await writeFile(file, '');
    const store = createFolderObjectStore({ folder: file });
    const refused = { code: 'OBJECT_STORE_UNAVAILABLE', retryable: true, cause: { code: 'ENOTDIR' } };
    await expect(store.read('a/b')).rejects.toMatchObject(refused);
    await expect(store.put('a/b', randomBytes(1))).rejects.toMatchObject({
      code: 'OBJECT_STORE_UNAVAILABLE',
    });
  });

  it('takes a folder for no object', async () => {
    const store = createFolderObjectStore({ folder: path.join(folder, 'folders') });
    await store.put('a/b', randomBytes(1));
    expect(await store.read('a')).toBeUndefined();
  });

  it('brings a large object to the disk bit by bit, and a small one at once', async () => {
    const handle = await open(path.join(folder, 'any'), 'w');
    const synced = jest.spyOn(Object.getPrototypeOf(handle) as FileHandle, 'datasync');
    await handle.close();
    const store = createFolderObjectStore({ folder: path.join(folder, 'large') });
    const chunks = Array.from({ length: 160 }, () => Buffer.alloc(64 * 1024)); // 10 MiB
    await store.put('a/large', Readable.from(chunks));
    expect(synced).toHaveBeenCalledTimes(2);
    await store.put('a/small', randomBytes(1));
    expect(synced).toHaveBeenCalledTimes(2);
    synced.mockRestore();
  });
});
