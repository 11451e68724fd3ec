import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import { PlatformError } from '../../core/errors.ts';
import { DEFAULT_BUNDLE_LIMITS } from '../../core/tar/limits.ts';
import { packArtifact, type VerifiedArtifact } from '../../platform/component/artifact.ts';
import { signArtifact, statementDigest } from '../../platform/component/artifact-signature.ts';
import { createLogger } from '../../platform/logger.ts';
import { createObjectKeys } from '../../platform/objects/keys.ts';
import { expandArtifact } from '../sandbox/expand-artifact.ts';
import { createBundleCache } from './bundle-cache.ts';
import { openDiskCache } from './disk-cache.ts';

const logger = createLogger({ level: 'silent', process: 'runner' });
const keys = createObjectKeys('sha256/');
const signing = generateKeyPairSync('ed25519');
const previous = generateKeyPairSync('ed25519');
const TARGETS: [string, string] = ['jco-2', 'jco-1'];
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

/** An object store with one artifact in it. */
async function setup({ folder = '' } = {}) {
  const objects = new Map<string, Uint8Array>();
  const reads: string[] = [];
  const asked: string[] = [];
  const found: string[] = [];
  let isAway = false;
  let trusted: Promise<void> = Promise.resolve();
  let gate: Promise<unknown> = Promise.resolve();
  const hold = (): (() => void) => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    gate = promise;
    return () => resolve(undefined);
  };
  const publish = async ({
    target = TARGETS[0],
    signer = signing.privateKey,
    glue = 'glue',
  }: { target?: string; signer?: KeyObject; glue?: string } = {}): Promise<string> => {
    const artifact = {
      contentHash: HASH,
      glue: Buffer.from(glue),
      coreModules: { 'a.wasm': Buffer.from('a') },
      imports: [],
    };
    const { bytes, sha256 } = await packArtifact({ ...artifact, target });
    const facts = { contentHash: HASH, target, sha256 };
    const { keyId, envelope } = signArtifact(signer, facts);
    const place = keys.signature(HASH, statementDigest(facts, keyId));
    objects.set(keys.artifact(HASH, target), bytes).set(place, Buffer.from(envelope));
    return place;
  };
  const disk = await openDiskCache({ folder: folder || (await newFolder()), maxBytes: 1 << 20, logger });
  const open = (artifactKeys: [KeyObject, ...KeyObject[]] = [signing.publicKey, previous.publicKey]) =>
    createBundleCache({
      objects: {
        read: async (key) => {
          if (isAway) throw new PlatformError('OBJECT_STORE_UNAVAILABLE', 'away');
          reads.push(key);
          await gate;
          const found = objects.get(key);
          return found && { size: found.length, body: Readable.from([found]) };
        },
      },
      keys,
      disk,
      artifactKeys,
      targets: TARGETS,
      askForArtifact: (contentHash, need) => void asked.push(`${need} ${contentHash.slice(0, 8)}`),
      bundleLimits: DEFAULT_BUNDLE_LIMITS,
      checkTrust: () => trusted,
      countLookup: (_cache, tier) => void found.push(tier),
      logger,
    });
  return {
    objects,
    reads,
    asked,
    found,
    disk,
    open,
    publish,
    hold,
    distrust: (fault: Error) => {
      trusted = Promise.reject(fault);
      trusted.catch(() => undefined);
    },
    trustAgain: () => void (trusted = Promise.resolve()),
    setAway: (away: boolean) => (isAway = away),
  };
}

async function glueOf(found: Promise<VerifiedArtifact>): Promise<string> {
  const { contentHash, archive } = await found;
  const { artifact } = await expandArtifact(contentHash, archive);
  return Buffer.from(artifact.glue ?? []).toString();
}
const OUTDATED = ['outdated sha256:a'];
const MISSING = ['missing sha256:a'];

describe('the bundle cache', () => {
  it('fetches an artifact once, however many ask at once, and keeps it', async () => {
    const { open, reads, asked, publish } = await setup();
    await publish();
    const bundles = open();
    const all = await Promise.all(Array.from({ length: 200 }, () => bundles.artifact(HASH)));
    expect(await glueOf(bundles.artifact(HASH))).toBe('glue');
    expect(new Set([...all, await bundles.artifact(HASH)]).size).toBe(1);
    expect(reads).toHaveLength(2);
    expect(asked).toEqual([]);
  });

  it('loads nothing that is not trusted, from store or disk, until it is trusted again', async () => {
    const { open, publish, distrust, trustAgain } = await setup();
    await publish();
    await open().artifact(HASH); // now on disk
    const bundles = open();
    for (const code of ['SIGNATURE_REVOKED', 'GATEWAY_UNAVAILABLE'] as const) {
      distrust(new PlatformError(code, 'not now'));
      await expect(bundles.artifact(HASH)).rejects.toMatchObject({ code });
    }
    trustAgain();
    expect(await glueOf(bundles.artifact(HASH))).toBe('glue');
  });

  it('finds on disk what an earlier run fetched', async () => {
    const { open, reads, found, publish } = await setup();
    await expect(open().artifact(HASH)).rejects.toMatchObject({ code: 'BUNDLE_UNAVAILABLE' });
    await publish();
    await open().artifact(HASH);
    reads.length = 0;
    const bundles = open();
    await bundles.artifact(HASH);
    await bundles.artifact(HASH);
    expect(reads).toEqual([]);
    expect(found).toEqual(['none', 'store', 'disk', 'memory']);
  });

  it('runs what it cannot keep, and fetches it again the next time', async () => {
    const folder = await newFolder();
    const { open, reads, publish } = await setup({ folder });
    await publish();
    await rm(folder, { recursive: true }); // as a disk that is full or gone
    expect(await glueOf(open().artifact(HASH))).toBe('glue');
    expect(await glueOf(open().artifact(HASH))).toBe('glue');
    expect(reads).toHaveLength(4);
    await mkdir(folder);
  });

  it('discards a damaged artifact on disk and fetches it again', async () => {
    const folder = await newFolder();
    const { open, reads, publish } = await setup({ folder });
    await publish();
    await open().artifact(HASH);
    const [entry = ''] = await readdir(folder);
    await writeFile(join(folder, entry, 'artifact.tar.zst'), 'damaged');
    expect((await open().artifact(HASH)).contentHash).toBe(HASH);
    expect(reads).toHaveLength(4);
  });

  it('refuses an artifact that a stranger signed or that is of an unknown target, keeps nothing, and asks', async () => {
    for (const wrong of [{ signer: generateKeyPairSync('ed25519').privateKey }, { target: 'other-1.0.0' }]) {
      const folder = await newFolder();
      const { open, publish, asked } = await setup({ folder });
      await publish(wrong);
      await expect(open().artifact(HASH)).rejects.toMatchObject({ code: 'BUNDLE_UNAVAILABLE' });
      expect(await readdir(folder)).toEqual([]);
      expect(asked).toEqual(MISSING);
    }
  });

  it('asks for an artifact whose signature is not there, and looks again the next time', async () => {
    const { open, objects, asked, publish } = await setup();
    const place = await publish();
    const bundles = open();
    const signature = objects.get(place) ?? new Uint8Array();
    objects.delete(place);
    await expect(bundles.artifact(HASH)).rejects.toMatchObject({ code: 'BUNDLE_UNAVAILABLE' });
    expect(asked).toEqual(MISSING);
    objects.set(place, signature);
    expect((await bundles.artifact(HASH)).contentHash).toBe(HASH);
  });

  it('asks for nothing while the store is away, since it may well have it', async () => {
    const { open, asked, publish, setAway } = await setup();
    await publish();
    setAway(true);
    await expect(open().artifact(HASH)).rejects.toMatchObject({ code: 'OBJECT_STORE_UNAVAILABLE' });
    expect(asked).toEqual([]);
  });
});

describe('a change of the target', () => {
  it('runs the artifact of the previous target and asks for the current one', async () => {
    const { open, asked, publish } = await setup();
    await publish({ target: TARGETS[1], glue: 'old' });
    expect(await glueOf(open().artifact(HASH))).toBe('old');
    expect(asked).toEqual(OUTDATED);
  });

  it('takes the current one as soon as it is in the store, though the previous is on disk', async () => {
    const { open, publish, asked } = await setup();
    await publish({ target: TARGETS[1], glue: 'old' });
    await open().artifact(HASH);
    await publish({ glue: 'new' });
    expect(await glueOf(open().artifact(HASH))).toBe('new');
    expect(asked).toEqual(OUTDATED);
  });

  it('runs the previous one from disk while the store is away', async () => {
    const { open, publish, setAway } = await setup();
    await publish({ target: TARGETS[1], glue: 'old' });
    await open().artifact(HASH);
    setAway(true);
    expect(await glueOf(open().artifact(HASH))).toBe('old');
  });

  it('runs the previous one while nobody that is trusted has signed the current one', async () => {
    const { open, publish } = await setup();
    await publish({ target: TARGETS[1], glue: 'old' });
    await publish({ signer: generateKeyPairSync('ed25519').privateKey, glue: 'new' });
    expect(await glueOf(open().artifact(HASH))).toBe('old');
  });
});

describe('a change of the key', () => {
  it('runs what a previous key signed and asks for a signature by the current one', async () => {
    const { open, asked, publish } = await setup();
    await publish({ signer: previous.privateKey });
    expect(await glueOf(open().artifact(HASH))).toBe('glue');
    expect(asked).toEqual(OUTDATED);
  });

  it('finds the new signature when the previous key is trusted no more, though the old one is on disk', async () => {
    const { open, asked, publish } = await setup();
    await publish({ signer: previous.privateKey });
    await open().artifact(HASH);
    await expect(open([signing.publicKey]).artifact(HASH)).rejects.toMatchObject({
      code: 'BUNDLE_UNAVAILABLE',
    });
    await publish();
    expect(await glueOf(open([signing.publicKey]).artifact(HASH))).toBe('glue');
    expect(asked).toEqual([...OUTDATED, ...MISSING]);
  });
});
