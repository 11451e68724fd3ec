import {
  packArtifact,
  type PrecompiledArtifact,
  type VerifiedArtifact,
} from '../../platform/component/artifact.ts';

/** As a sandbox is sent it. */
export async function verifiedArtifact(artifact: PrecompiledArtifact): Promise<VerifiedArtifact> {
  const { bytes: archive } = await packArtifact({ ...artifact, target: 'none' });
  return { contentHash: artifact.contentHash, archive, isLinked: artifact.plan !== undefined };
}
