import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { PlatformError } from '../../core/errors.ts';
import { contentHashHex } from '../../core/ids.ts';
import { unpackTarZst } from '../../platform/bundle/unpack.ts';
import type { EngineArtifact } from '../engine/engine.ts';
import { loadArtifact, type LoadArtifactDeps } from './load-artifact.ts';

/** Unpacked artifacts kept in memory; a sandbox keeps its own compiled code. */
const MEMORY_BYTES = 128 * 1024 * 1024;
const FETCH_TIMEOUT_MS = 60_000;
const UI_PREFIX = 'ui/';

export type BundleCacheDeps = LoadArtifactDeps;

/** What runs and what is shown of a bundle, by content hash; from memory, disk, then the object store. */
export interface BundleCache {
  /** Verified whenever it comes from disk or store. Throws BUNDLE_UNAVAILABLE, OBJECT_STORE_UNAVAILABLE. */
  artifact(contentHash: string): Promise<EngineArtifact>;
  /** The folder of the bundle's UI files. Throws BUNDLE_UNAVAILABLE, BUNDLE_CORRUPT, OBJECT_STORE_UNAVAILABLE. */
  uiFolder(contentHash: string): Promise<string>;
}

export function createBundleCache(deps: BundleCacheDeps): BundleCache {
  const memory = createArtifactMemory(MEMORY_BYTES);
  const once = createCoalescer();

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
      const name = `ui-${contentHashHex(contentHash)}`;
      return deps.disk.find(name) ?? once(name, () => unpackUi(deps, contentHash, name));
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
    for await (const entry of unpackTarZst(hashed(), deps.bundleLimits)) {
      if (!entry.path.startsWith(UI_PREFIX)) continue;
      const path = join(folder, entry.path.slice(UI_PREFIX.length));
      // The reader allows no such path; this is the last place where it would matter.
      if (!path.startsWith(folder + sep))
        throw new PlatformError('BUNDLE_CORRUPT', 'a path leaves the bundle');
      await mkdir(dirname(path), { recursive: true });
      await pipeline(entry.body, createWriteStream(path, { flags: 'wx' }));
    }
    if (hash.digest('hex') !== contentHashHex(contentHash)) {
      throw new PlatformError('BUNDLE_CORRUPT', `the bytes of ${key} are not those of its hash`);
    }
  });
}

interface ArtifactMemory {
  get(contentHash: string): EngineArtifact | undefined;
  set(artifact: EngineArtifact): void;
}

function createArtifactMemory(maxBytes: number): ArtifactMemory {
  const kept = new Map<string, EngineArtifact>(); // in the order of use
  const bytesOf = ({ glue, coreModules }: EngineArtifact): number =>
    Object.values(coreModules).reduce((sum, module) => sum + module.byteLength, glue.byteLength);
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
