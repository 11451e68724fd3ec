import type { Artifact } from '../core/artifact.ts';
import type {
  ArtifactGoal,
  ArtifactStore,
  BundlePosition,
  OutdatedBundle,
} from '../platform/db/artifacts.ts';

export interface ListOutdatedInput extends ArtifactGoal {
  after?: BundlePosition;
  limit: number;
}

export type ArtifactActivities = ReturnType<typeof createArtifactActivities>;

/** What the registry knows of artifacts. */
export function createArtifactActivities({ artifacts }: { artifacts: ArtifactStore }) {
  return {
    /** Writes down an artifact that was made; may run twice. */
    async recordArtifact(input: { contentHash: string; artifact: Artifact }): Promise<void> {
      await artifacts.record(input.contentHash, input.artifact);
    },

    async countOutdatedBundles({ target, keyId }: ArtifactGoal): Promise<number> {
      return artifacts.countOutdated({ target, keyId });
    },

    async listOutdatedBundles({ target, keyId, ...page }: ListOutdatedInput): Promise<OutdatedBundle[]> {
      return artifacts.listOutdated({ target, keyId }, page);
    },
  };
}
