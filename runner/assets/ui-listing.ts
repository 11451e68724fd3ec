import { createHash, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { createReadStream, type BigIntStats } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { SecretValue } from '../../core/secret-value.ts';

const LISTING_FILE = 'listing.json';
/** File systems stamp writes with clocks this coarse or finer: what was written within it could be written again under the same stamp. */
const STAMP_MS = 2_000;

interface ListedFile {
  sha256: string;
  /** Of the file as it was when its bytes were last found right. */
  stamp?: string;
}

/** The files of one unpacked UI, each by the folder of its form and its path below `ui/`: `identity/app.js`, `br/app.js`. */
export type UiListing = Map<string, ListedFile>;

/** As a listing names it, with its hex sha256. */
export type FileDigests = [name: string, sha256: string][];

/** Runners with one service credential can read each other's listings; nobody else can write one. */
export function deriveListingKey(serviceToken: SecretValue): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', serviceToken.reveal(), '', 'alga runner: unpacked UI', 32));
}

/** Written beside the files under a key made of the runner's service credential: who can alter a file cannot alter what it should be. */
export async function writeListing(
  folder: string,
  key: Uint8Array,
  contentHash: string,
  files: FileDigests,
): Promise<UiListing> {
  const mac = macOf(key, contentHash, files).toString('hex');
  await writeFile(join(folder, LISTING_FILE), JSON.stringify({ mac, files }));
  return toListing(files);
}

/** Undefined if it is not there, is damaged, or was written under another key. */
export async function readListing(
  folder: string,
  key: Uint8Array,
  contentHash: string,
): Promise<UiListing | undefined> {
  try {
    const { mac, files } = JSON.parse(await readFile(join(folder, LISTING_FILE), 'utf8')) as {
      mac: string;
      files: FileDigests;
    };
    return timingSafeEqual(Buffer.from(mac, 'hex'), macOf(key, contentHash, files))
      ? toListing(files)
      : undefined;
  } catch {
    return undefined; // whatever it is, no runner wrote it so
  }
}

/**
 * Whether the bytes of a listed file are those of the bundle. They are read unless its stamp says that nobody wrote to it since they were
 * last found right; a disk that loses bits beneath its file system is thus found out once per process, before its file is first served.
 */
export async function isIntact(path: string, file: ListedFile, now: () => number): Promise<boolean> {
  const before = await stampOf(path);
  if (before === undefined) return false;
  if (file.stamp === before.stamp) return true;
  delete file.stamp;
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Uint8Array>) {
      hash.update(chunk);
      await setImmediate(); // a large file is a stranger's: calls go on between its pieces
    }
  } catch {
    return false;
  }
  if (hash.digest('hex') !== file.sha256) return false;
  const after = await stampOf(path);
  if (after?.stamp === before.stamp && now() - before.changedAt > STAMP_MS) file.stamp = after.stamp;
  return true;
}

function macOf(key: Uint8Array, contentHash: string, files: FileDigests): Buffer {
  return createHmac('sha256', key)
    .update(JSON.stringify([contentHash, files]))
    .digest();
}

function toListing(files: FileDigests): UiListing {
  return new Map(files.map(([path, sha256]) => [path, { sha256 }]));
}

/** Undefined if there is no such file. Nobody who may write a file can set when its inode changed. */
async function stampOf(path: string): Promise<{ stamp: string; changedAt: number } | undefined> {
  let stats: BigIntStats;
  try {
    stats = await stat(path, { bigint: true });
  } catch {
    return undefined;
  }
  if (!stats.isFile()) return undefined;
  const { dev, ino, size, mtimeNs, ctimeNs, ctimeMs } = stats;
  return { stamp: [dev, ino, size, mtimeNs, ctimeNs].join(' '), changedAt: Number(ctimeMs) };
}
