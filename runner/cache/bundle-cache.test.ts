import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ARTIFACT_TARGET } from '../../core/artifact-target.ts';
import { DEFAULT_BUNDLE_LIMITS } from '../../core/tar/limits.ts';
import { packArtifact, signArtifact } from '../../platform/component/artifact.ts';
import { createLogger } from '../../platform/logger.ts';
import { createObjectKeys } from '../../platform/objects/keys.ts';
import { createBundleCache } from './bundle-cache.ts';
import { openDiskCache } from './disk-cache.ts';

const logger = createLogger({ level: 'silent', process: 'runner' });
const keys = createObjectKeys('sha256/');
const signing = generateKeyPairSync('ed25519');
const HASH = `sha256:${'a'.repeat(64)}`;

const folders: string[] = [];
afterEach(async () => {
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
});

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cache-'));
  folders.push(folder);
  return folder;
}

async function setup({ signer = signing.privateKey, folder = '', target = ARTIFACT_TARGET } = {}) {
  const artifact = {
    contentHash: HASH,
    glue: Buffer.from('glue'),
    coreModules: { 'a.wasm': Buffer.from('a') },
    imports: [],
  };
  const { bytes, sha256 } = await packArtifact({ ...artifact, target });
  const objects = new Map<string, Uint8Array>([
    [keys.artifact(HASH, ARTIFACT_TARGET), bytes],
    [
      keys.artifactSignature(HASH, ARTIFACT_TARGET),
      Buffer.from(signArtifact(signer, { contentHash: HASH, target, sha256 })),
    ],
  ]);
  const reads: string[] = [];
  const disk = await openDiskCache({ folder: folder || (await newFolder()), maxBytes: 1 << 20, logger });
  const open = () =>
    createBundleCache({
      objects: {
        read: (key) => {
          reads.push(key);
          const found = objects.get(key);
          return Promise.resolve(found && { size: found.length, body: Readable.from([found]) });
        },
      },
      keys,
      disk,
      artifactKey: signing.publicKey,
      bundleLimits: DEFAULT_BUNDLE_LIMITS,
      logger,
    });
  return { objects, reads, disk, open };
}

describe('the bundle cache', () => {
  it('fetches an artifact once, however many ask at once, and keeps it', async () => {
    const { open, reads } = await setup();
    const bundles = open();
    const all = await Promise.all(Array.from({ length: 5 }, () => bundles.artifact(HASH)));
    expect(Buffer.from(all[0]?.glue ?? []).toString()).toBe('glue');
    expect(new Set([...all, await bundles.artifact(HASH)]).size).toBe(1);
    expect(reads).toHaveLength(2);
  });

  it('finds on disk what an earlier run fetched', async () => {
    const { open, reads } = await setup();
    await open().artifact(HASH);
    await open().artifact(HASH);
    expect(reads).toHaveLength(2);
  });

  it('discards a damaged artifact on disk and fetches it again', async () => {
    const folder = await newFolder();
    const { open, reads } = await setup({ folder });
    await open().artifact(HASH);
    const [entry = ''] = await readdir(folder);
    await writeFile(join(folder, entry, 'artifact.tar.zst'), 'damaged');
    expect((await open().artifact(HASH)).contentHash).toBe(HASH);
    expect(reads).toHaveLength(4);
  });

  it('refuses an artifact that another key signed, or that was made for another target, and keeps nothing', async () => {
    for (const wrong of [{ signer: generateKeyPairSync('ed25519').privateKey }, { target: 'other-1.0.0' }]) {
      const folder = await newFolder();
      const { open } = await setup({ ...wrong, folder });
      await expect(open().artifact(HASH)).rejects.toMatchObject({ code: 'ARTIFACT_INVALID' });
      expect(await readdir(folder)).toEqual([]);
    }
  });

  it('says that an artifact or its signature is not there, and looks again the next time', async () => {
    const { open, objects } = await setup();
    const bundles = open();
    const key = keys.artifactSignature(HASH, ARTIFACT_TARGET);
    const signature = objects.get(key) ?? new Uint8Array();
    objects.delete(key);
    await expect(bundles.artifact(HASH)).rejects.toMatchObject({ code: 'BUNDLE_UNAVAILABLE' });
    objects.set(key, signature);
    expect((await bundles.artifact(HASH)).contentHash).toBe(HASH);
  });
});

describe('the disk cache', () => {
  const fill = (bytes: number) => (folder: string) => writeFile(join(folder, 'file'), Buffer.alloc(bytes));

  it('removes what was not used for longest when it is full', async () => {
    const disk = await openDiskCache({ folder: await newFolder(), maxBytes: 250, logger });
    await disk.put('a', fill(100));
    await disk.put('b', fill(100));
    expect(disk.find('a')).toBeDefined();
    await disk.put('c', fill(100));
    expect(['a', 'b', 'c'].filter((name) => disk.find(name) !== undefined)).toEqual(['a', 'c']);
  });

  it('keeps the newest entry even when it alone is too large', async () => {
    const disk = await openDiskCache({ folder: await newFolder(), maxBytes: 10, logger });
    await disk.put('a', fill(100));
    expect(disk.find('a')).toBeDefined();
  });

  it('has nothing of an entry whose filling failed', async () => {
    const folder = await newFolder();
    const disk = await openDiskCache({ folder, maxBytes: 1000, logger });
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
    const first = await openDiskCache({ folder, maxBytes: 1000, logger });
    await first.put('a', fill(10));
    const begun = Promise.withResolvers<undefined>();
    void first.put('b', () => {
      begun.resolve(undefined);
      return new Promise(() => undefined); // as if the process had died here
    });
    await begun.promise;
    const second = await openDiskCache({ folder, maxBytes: 1000, logger });
    expect(second.find('a')).toBeDefined();
    expect(await readdir(folder)).toEqual(['a']);
  });
});
