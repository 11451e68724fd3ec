import type { EngineArtifact } from '../engine/engine.ts';
import { createCoalescer } from './coalescer.ts';
import { loadArtifact, type LoadArtifactDeps } from './load-artifact.ts';

/** Unpacked artifacts kept in memory; a sandbox keeps its own compiled code. */
const MEMORY_BYTES = 128 * 1024 * 1024;

/** What runs of a bundle, by content hash; from memory, disk, then the object store. */
export interface BundleCache {
  /** Verified whenever it comes from disk or store. Throws BUNDLE_UNAVAILABLE, OBJECT_STORE_UNAVAILABLE. */
  artifact(contentHash: string): Promise<EngineArtifact>;
}

export function createBundleCache(deps: LoadArtifactDeps): BundleCache {
  const memory = createArtifactMemory(MEMORY_BYTES);
  const once = createCoalescer();

  return {
    async artifact(contentHash) {
      const kept = memory.get(contentHash);
      if (kept !== undefined) {
        deps.countLookup('artifact', 'memory');
        return kept;
      }
      return once(contentHash, async () => {
        const artifact = await loadArtifact(deps, contentHash);
        memory.set(artifact);
        return artifact;
      });
    },
  };
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
