import { createHash } from 'node:crypto';
import { PlatformError } from '../../core/errors.ts';
import { contentHashHex } from '../../core/ids.ts';
import type { ArchiveLimits } from '../../core/tar/limits.ts';
import { isSourceMap } from '../../platform/bundle/bundle-checks.ts';
import { unpackTarZst } from '../../platform/bundle/unpack.ts';
import type { ObjectKeys } from '../../platform/objects/keys.ts';
import type { ObjectStore } from '../../platform/objects/object-store.ts';

const FETCH_TIMEOUT_MS = 30_000;
/** Of one bundle. Larger maps are left alone, and so are stacks then. */
const MAX_MAP_BYTES = 4 * 1024 * 1024;
const MAX_KEPT_BYTES = 16 * 1024 * 1024;
/** What a bundle without maps takes. */
const BESIDE_BYTES = 1_024;

/** The texts of a bundle's source maps, by the name of the script that each is of. */
export type BundleMaps = ReadonlyMap<string, string>;

/** Reads a bundle's source maps; those used last stay in memory. Throws BUNDLE_UNAVAILABLE, BUNDLE_CORRUPT, OBJECT_STORE_UNAVAILABLE. */
export type ReadSourceMaps = (contentHash: string) => Promise<BundleMaps>;

export interface SourceMapsDeps {
  objects: Pick<ObjectStore, 'read'>;
  keys: ObjectKeys;
  bundleLimits: ArchiveLimits;
}

export function createReadSourceMaps(deps: SourceMapsDeps): ReadSourceMaps {
  const kept = new Map<string, BundleMaps>(); // in the order of use
  let total = 0;
  return async (contentHash) => {
    const known = kept.get(contentHash);
    if (known !== undefined) {
      kept.delete(contentHash);
      kept.set(contentHash, known);
      return known;
    }
    const maps = await readMaps(deps, contentHash);
    total += weightOf(maps);
    kept.set(contentHash, maps);
    for (const [oldest, of] of kept) {
      if (total <= MAX_KEPT_BYTES || of === maps) break;
      kept.delete(oldest);
      total -= weightOf(of);
    }
    return maps;
  };
}

function weightOf(maps: BundleMaps): number {
  let weight = BESIDE_BYTES;
  for (const text of maps.values()) weight += 2 * text.length;
  return weight;
}

async function readMaps(
  { objects, keys, bundleLimits }: SourceMapsDeps,
  contentHash: string,
): Promise<BundleMaps> {
  const key = keys.bundle(contentHash);
  const object = await objects.read(key, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
  if (object === undefined) throw new PlatformError('BUNDLE_UNAVAILABLE', `there is no ${key}`);
  const hash = createHash('sha256');
  const hashed = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of object.body) {
      hash.update(chunk);
      yield chunk;
    }
  };
  const maps = new Map<string, string>();
  let left = MAX_MAP_BYTES;
  for await (const entry of unpackTarZst(hashed(), bundleLimits)) {
    if (!isSourceMap(entry.path) || entry.size > left) continue;
    left -= entry.size;
    maps.set(scriptOf(entry.path), Buffer.from(await entry.bytes()).toString('utf8'));
  }
  if (hash.digest('hex') !== contentHashHex(contentHash)) {
    throw new PlatformError('BUNDLE_CORRUPT', `the bytes of ${key} are not those of its hash`);
  }
  return maps;
}

/** `dist/main.js.map` is of `main.js`. */
function scriptOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1, -'.map'.length);
}
