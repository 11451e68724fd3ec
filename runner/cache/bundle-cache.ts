import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import { PlatformError } from '../../core/errors.ts';
import { contentHashHex } from '../../core/ids.ts';
import { assetRules, servedFiles, type AssetRules } from '../../core/manifest/assets.ts';
import { MAX_MANIFEST_BYTES } from '../../core/manifest/manifest.ts';
import { unpackTarZst } from '../../platform/bundle/unpack.ts';
import type { EngineArtifact } from '../engine/engine.ts';
import { loadArtifact, type LoadArtifactDeps } from './load-artifact.ts';

/** Unpacked artifacts kept in memory; a sandbox keeps its own compiled code. */
const MEMORY_BYTES = 128 * 1024 * 1024;
const FETCH_TIMEOUT_MS = 60_000;
const UI_PREFIX = 'ui/';
/** UIs unpacked at once, each of which takes about a core, and those that wait for their turn. Anybody may ask for any that is served. */
const UNPACKED_AT_ONCE = 2;
const WAITING_TO_UNPACK = 32;

export type BundleCacheDeps = LoadArtifactDeps;

/** What runs and what is shown of a bundle, by content hash; from memory, disk, then the object store. */
export interface BundleCache {
  /** Verified whenever it comes from disk or store. Throws BUNDLE_UNAVAILABLE, OBJECT_STORE_UNAVAILABLE. */
  artifact(contentHash: string): Promise<EngineArtifact>;
  /**
   * A folder of the UI files that the manifest serves, and no other. Throws BUNDLE_UNAVAILABLE, BUNDLE_CORRUPT,
   * OBJECT_STORE_UNAVAILABLE, RUNNER_BUSY.
   */
  uiFolder(contentHash: string): Promise<string>;
}

export function createBundleCache(deps: BundleCacheDeps): BundleCache {
  const memory = createArtifactMemory(MEMORY_BYTES);
  const once = createCoalescer();
  const fewAtOnce = createFewAtOnce({ atOnce: UNPACKED_AT_ONCE, waiting: WAITING_TO_UNPACK });

  return {
    async artifact(contentHash) {
      const kept = memory.get(contentHash);
      if (kept !== undefined) return kept;
      return once(`artifact ${contentHash}`, async () => {
        const artifact = await loadArtifact(deps, contentHash);
        memory.set(artifact);
        return artifact;
      });
    },
    async uiFolder(contentHash) {
      // A name of its own: folders called `ui-…`, of a release that did not heed `assets`, hold every file.
      const name = `assets-${contentHashHex(contentHash)}`;
      return deps.disk.find(name) ?? once(name, () => fewAtOnce(() => unpackUi(deps, contentHash, name)));
    },
  };
}

async function unpackUi(deps: BundleCacheDeps, contentHash: string, name: string): Promise<string> {
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
  return deps.disk.put(name, async (folder) => {
    const files: string[] = [];
    let manifest: Uint8Array | undefined;
    const placeOf = (file: string): string => join(folder, file.slice(UI_PREFIX.length));
    for await (const entry of unpackTarZst(hashed(), deps.bundleLimits)) {
      if (entry.path === 'manifest.json' && entry.size <= MAX_MANIFEST_BYTES) manifest = await entry.bytes();
      if (!entry.path.startsWith(UI_PREFIX)) continue;
      const path = placeOf(entry.path);
      // The reader allows no such path; this is the last place where it would matter.
      if (!path.startsWith(folder + sep))
        throw new PlatformError('BUNDLE_CORRUPT', 'a path leaves the bundle');
      await mkdir(dirname(path), { recursive: true });
      await pipeline(entry.body, createWriteStream(path, { flags: 'wx' }));
      files.push(entry.path);
    }
    if (hash.digest('hex') !== contentHashHex(contentHash)) {
      throw new PlatformError('BUNDLE_CORRUPT', `the bytes of ${key} are not those of its hash`);
    }
    // Afterwards, since the manifest may come last. Nothing is served of the folder until it is in its place.
    const isServed = servedFiles(readAssetRules(manifest));
    for (const file of files) {
      if (!isServed(file)) await rm(placeOf(file));
      await setImmediate(); // patterns are a stranger's: whatever one file costs, calls go on before the next
    }
  });
}

/** Verification saw to it that there is a manifest and what it says, so the rest of it is left alone: its release may be newer. */
function readAssetRules(manifest: Uint8Array | undefined): AssetRules {
  try {
    return assetRules.parse(JSON.parse(Buffer.from(manifest ?? []).toString('utf8')));
  } catch (cause) {
    throw new PlatformError('BUNDLE_CORRUPT', 'its manifest does not say which files are served', { cause });
  }
}

interface ArtifactMemory {
  get(contentHash: string): EngineArtifact | undefined;
  set(artifact: EngineArtifact): void;
}

function createArtifactMemory(maxBytes: number): ArtifactMemory {
  const kept = new Map<string, EngineArtifact>(); // in the order of use
  const bytesOf = ({ glue, coreModules }: EngineArtifact): number =>
    Object.values(coreModules).reduce((sum, module) => sum + module.byteLength, glue?.byteLength ?? 0);
  let total = 0;
  return {
    get(contentHash) {
      const artifact = kept.get(contentHash);
      if (artifact === undefined) return undefined;
      kept.delete(contentHash);
      kept.set(contentHash, artifact);
      return artifact;
    },
    set(artifact) {
      kept.set(artifact.contentHash, artifact);
      total += bytesOf(artifact);
      for (const [contentHash, oldest] of kept) {
        if (total <= maxBytes) return;
        kept.delete(contentHash);
        total -= bytesOf(oldest);
      }
    },
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

/** Callers that ask for the same thing while it is being made share one making of it. */
function createCoalescer(): <Result>(key: string, make: () => Promise<Result>) => Promise<Result> {
  const running = new Map<string, Promise<unknown>>();
  return <Result>(key: string, make: () => Promise<Result>) => {
    const known = running.get(key) as Promise<Result> | undefined;
    if (known !== undefined) return known;
    const made = make().finally(() => running.delete(key));
    running.set(key, made);
    return made;
  };
}
