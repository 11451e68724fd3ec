import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import { PlatformError } from '../../core/errors.ts';
import { contentHashHex } from '../../core/ids.ts';
import { assetRules, servedFiles, type AssetRules } from '../../core/manifest/assets.ts';
import { MAX_MANIFEST_BYTES } from '../../core/manifest/read-manifest.ts';
import type { ArchiveLimits } from '../../core/tar/limits.ts';
import { unpackTarZst } from '../../platform/bundle/unpack.ts';
import type { Logger } from '../../platform/logger.ts';
import type { ObjectKeys } from '../../platform/objects/keys.ts';
import type { ObjectStore } from '../../platform/objects/object-store.ts';
import { createCoalescer } from '../cache/coalescer.ts';
import type { CountLookup } from '../cache/count-lookup.ts';
import type { DiskCache } from '../cache/disk-cache.ts';
import { createEncodeFile, MADE_CODINGS, type Coding } from './encodings.ts';
import { isIntact, readListing, writeListing, type FileDigests, type UiListing } from './ui-listing.ts';

const FETCH_TIMEOUT_MS = 60_000;
const UI_PREFIX = 'ui/';
/** UIs unpacked at once, each of which takes about a core, and those that wait for their turn. Anybody may ask for any that is served. */
const UNPACKED_AT_ONCE = 2;
const WAITING_TO_UNPACK = 32;
/** Files whose digests are kept in memory, about 300 bytes each. */
const REMEMBERED_FILES = 100_000;
/** Larger files are read piece by piece. */
const MAX_SMALL_BYTES = 256 * 1024;

export interface UiFilesDeps {
  objects: Pick<ObjectStore, 'read'>;
  keys: ObjectKeys;
  disk: DiskCache;
  /** Of listings; another one has every UI unpacked anew. */
  listingKey: Uint8Array;
  bundleLimits: ArchiveLimits;
  /** Of UIs that are opened: what is in memory is not asked for here. */
  countLookup: CountLookup;
  logger: Logger;
  /** Milliseconds of the clock that file systems stamp with. */
  now: () => number;
}

/** Hex sha256 of the bytes, by the form they have. */
export type FormDigests = ReadonlyMap<Coding, string>;

/** The UI files that manifests serve, and no other. All throw BUNDLE_UNAVAILABLE, BUNDLE_CORRUPT, OBJECT_STORE_UNAVAILABLE, RUNNER_BUSY. */
export interface UiFiles {
  /** In which forms a file is there; undefined if the bundle serves no such file. */
  forms(contentHash: string, file: string): Promise<FormDigests | undefined>;
  /** The bytes of a small file; undefined for any other, or one that is not as it was. */
  bytes(contentHash: string, file: string, coding: Coding): Promise<Uint8Array | undefined>;
  /** Where a file lies that is as it was; undefined if there is none in this form. */
  path(contentHash: string, file: string, coding: Coding): Promise<string | undefined>;
}

export function createUiFiles(deps: UiFilesDeps): UiFiles {
  const { disk, listingKey, countLookup, logger, now } = deps;
  const once = createCoalescer();
  const fewAtOnce = createFewAtOnce({ atOnce: UNPACKED_AT_ONCE, waiting: WAITING_TO_UNPACK });
  const listings = createListings(REMEMBERED_FILES);

  const open = async (contentHash: string, name: string): Promise<UiListing> => {
    const folder = disk.find(name);
    if (folder !== undefined) {
      const listing = await readListing(folder, listingKey, contentHash);
      if (listing !== undefined) {
        countLookup('ui', 'disk');
        return listing;
      }
      logger.warn({ contentHash }, 'unpacked UI discarded: no runner with this credential wrote its listing');
      await disk.discard(name);
    }
    const unpacked = await fewAtOnce(() => unpack(deps, contentHash, name));
    countLookup('ui', 'store');
    return unpacked;
  };
  const find = async (contentHash: string, name: string): Promise<{ folder: string; listing: UiListing }> => {
    const folder = disk.find(name);
    const known = listings.get(name);
    if (folder !== undefined && known !== undefined) return { folder, listing: known };
    return once(name, async () => {
      const listing = await open(contentHash, name);
      listings.set(name, listing);
      return { folder: disk.find(name) ?? '', listing }; // removed again already: its files will be missed
    });
  };

  return {
    async forms(contentHash, file) {
      const { listing } = await find(contentHash, nameOf(contentHash));
      const identity = listing.get(`identity/${file}`);
      if (identity === undefined) return undefined;
      const forms = new Map<Coding, string>([['identity', identity.sha256]]);
      for (const coding of MADE_CODINGS) {
        const made = listing.get(`${coding}/${file}`);
        if (made) forms.set(coding, made.sha256);
      }
      return forms;
    },
    async bytes(contentHash, file, coding) {
      const listed = `${coding}/${file}`;
      const { folder, listing } = await find(contentHash, nameOf(contentHash));
      const digest = listing.get(listed)?.sha256;
      if (digest === undefined) return undefined;
      const path = join(folder, listed);
      return once(`bytes ${path}`, () => readSmall(path, digest));
    },
    async path(contentHash, file, coding) {
      const name = nameOf(contentHash);
      for (let attempt = 0; attempt < 2; attempt += 1) {
        const { folder, listing } = await find(contentHash, name);
        const listed = listing.get(`${coding}/${file}`);
        if (listed === undefined) return undefined;
        const path = join(folder, `${coding}/${file}`);
        if (await once(path, () => isIntact(path, listed, now))) return path;
        if (listings.get(name) !== listing) continue; // another request saw to it
        listings.delete(name);
        if (disk.find(name) === undefined) continue; // it had to make room
        logger.error({ contentHash, file }, 'UI file in the cache was altered or removed: unpacked anew');
        await disk.discard(name);
      }
      throw new PlatformError('RUNNER_BUSY', 'the unpacked files do not stay as they are');
    },
  };
}

/** A name of its own: folders called `ui-…`, `assets-…` and `served-…`, of earlier releases, hold other things. */
function nameOf(contentHash: string): string {
  return `forms-${contentHashHex(contentHash)}`;
}

async function unpack(deps: UiFilesDeps, contentHash: string, name: string): Promise<UiListing> {
  const key = deps.keys.bundle(contentHash);
  const object = await deps.objects.read(key, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
  if (object === undefined) throw new PlatformError('BUNDLE_UNAVAILABLE', `there is no ${key}`);
  const hash = createHash('sha256');
  const hashed = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of object.body) {
      hash.update(chunk);
      yield chunk;
    }
  };
  let listing: UiListing = new Map();
  await deps.disk.put(name, async (folder) => {
    const root = join(folder, 'identity');
    const digests: FileDigests = [];
    let manifest: Uint8Array | undefined;
    for await (const entry of unpackTarZst(hashed(), deps.bundleLimits)) {
      if (entry.path === 'manifest.json' && entry.size <= MAX_MANIFEST_BYTES) manifest = await entry.bytes();
      if (!entry.path.startsWith(UI_PREFIX)) continue;
      const file = entry.path.slice(UI_PREFIX.length);
      const path = join(root, file);
      // The reader allows no such path; this is the last place where it would matter.
      if (!path.startsWith(root + sep)) throw new PlatformError('BUNDLE_CORRUPT', 'a path leaves the bundle');
      await mkdir(dirname(path), { recursive: true });
      digests.push([file, await writeHashed(path, entry.body)]);
    }
    if (hash.digest('hex') !== contentHashHex(contentHash)) {
      throw new PlatformError('BUNDLE_CORRUPT', `the bytes of ${key} are not those of its hash`);
    }
    // Afterwards, since the manifest may come last. Nothing is served of the folder until it is in its place.
    const isServed = servedFiles(readAssetRules(manifest));
    const encode = createEncodeFile();
    const served: FileDigests = [];
    for (const [file, sha256] of digests) {
      const path = join(root, file);
      if (isServed(UI_PREFIX + file)) {
        served.push([`identity/${file}`, sha256]);
        for await (const { coding, bytes } of encode(path)) {
          const made = join(folder, coding, file);
          await mkdir(dirname(made), { recursive: true });
          await writeFile(made, bytes, { flag: 'wx' });
          served.push([`${coding}/${file}`, sha256Of(bytes)]);
        }
      } else await rm(path);
      await setImmediate(); // patterns are a stranger's: whatever one file costs, others are served before the next
    }
    listing = await writeListing(folder, deps.listingKey, contentHash, served);
  });
  return listing;
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Undefined for a file that is large, is not there, or does not have this digest: whoever looks for it by its path finds out why. */
async function readSmall(path: string, sha256: string): Promise<Uint8Array | undefined> {
  try {
    if ((await stat(path)).size > MAX_SMALL_BYTES) return undefined;
    const bytes = await readFile(path);
    return bytes.byteLength <= MAX_SMALL_BYTES && sha256Of(bytes) === sha256 ? bytes : undefined;
  } catch {
    return undefined;
  }
}

async function writeHashed(path: string, body: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  const hashed = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      hash.update(chunk);
      yield chunk;
    }
  };
  await pipeline(hashed(), createWriteStream(path, { flags: 'wx' }));
  return hash.digest('hex');
}

/** Verification saw to it that there is a manifest and what it says, so the rest of it is left alone: its release may be newer. */
function readAssetRules(manifest: Uint8Array | undefined): AssetRules {
  try {
    return assetRules.parse(JSON.parse(Buffer.from(manifest ?? []).toString('utf8')));
  } catch (cause) {
    throw new PlatformError('BUNDLE_CORRUPT', 'its manifest does not say which files are served', { cause });
  }
}

interface Listings {
  get(name: string): UiListing | undefined;
  set(name: string, listing: UiListing): void;
  delete(name: string): void;
}

/** The listings used last, up to so many files; the newest always stays. */
function createListings(maxFiles: number): Listings {
  const kept = new Map<string, UiListing>(); // in the order of use
  let files = 0;
  const remove = (name: string): UiListing | undefined => {
    const listing = kept.get(name);
    kept.delete(name);
    files -= listing?.size ?? 0;
    return listing;
  };
  const set = (name: string, listing: UiListing): void => {
    remove(name);
    kept.set(name, listing);
    files += listing.size;
    for (const oldest of kept.keys()) {
      if (files <= maxFiles || oldest === name) return;
      remove(oldest);
    }
  };
  return {
    get(name) {
      const listing = remove(name);
      if (listing !== undefined) set(name, listing);
      return listing;
    },
    set,
    delete: remove,
  };
}

/** Runs at most `atOnce` works, the others in their turn; with `waiting` behind them it refuses more. */
function createFewAtOnce(limit: {
  atOnce: number;
  waiting: number;
}): <Result>(work: () => Promise<Result>) => Promise<Result> {
  const queue: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running < limit.atOnce) running += 1;
    else if (queue.length < limit.waiting) await new Promise<void>((begin) => queue.push(begin));
    else throw new PlatformError('RUNNER_BUSY', 'too many UIs wait to be unpacked');
    try {
      return await work();
    } finally {
      const next = queue.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
