import type { VerifiedArtifact } from '../../platform/component/artifact.ts';
import type { CheckBundleTrust } from './bundle-trust.ts';
import { createCoalescer } from './coalescer.ts';
import { loadArtifact, type LoadArtifactDeps } from './load-artifact.ts';

/** Archives kept in memory; a sandbox keeps its own compiled code. */
const MEMORY_BYTES = 128 * 1024 * 1024;

/** What runs of a bundle, by content hash; from memory, disk, then the object store. */
export interface BundleCache {
  /**
   * Verified whenever it comes from disk or store, the signatures of its bundle too. Throws BUNDLE_UNAVAILABLE, OBJECT_STORE_UNAVAILABLE,
   * and what CheckBundleTrust throws.
   */
  artifact(contentHash: string): Promise<VerifiedArtifact>;
}

export interface BundleCacheDeps extends LoadArtifactDeps {
  checkTrust: CheckBundleTrust;
}

export function createBundleCache(deps: BundleCacheDeps): BundleCache {
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
        // Whatever was found: nothing is kept, and nothing runs, that may not be loaded.
        const [artifact] = await Promise.all([loadArtifact(deps, contentHash), deps.checkTrust(contentHash)]);
        memory.set(artifact);
        return artifact;
      });
    },
  };
}

interface ArtifactMemory {
  get(contentHash: string): VerifiedArtifact | undefined;
  set(artifact: VerifiedArtifact): void;
}

function createArtifactMemory(maxBytes: number): ArtifactMemory {
  const kept = new Map<string, VerifiedArtifact>(); // in the order of use
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
      total += artifact.archive.byteLength;
      for (const [contentHash, oldest] of kept) {
        if (total <= maxBytes) return;
        kept.delete(contentHash);
        total -= oldest.archive.byteLength;
      }
    },
  };
}
