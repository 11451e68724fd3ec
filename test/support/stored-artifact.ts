import type { KeyObject } from 'node:crypto';
import { ARTIFACT_TARGET } from '../../core/artifact-target.ts';
import { packArtifact, type PrecompiledArtifact } from '../../platform/component/artifact.ts';
import { signArtifact, statementDigest } from '../../platform/component/artifact-signature.ts';
import { createFolderObjectStore } from '../../platform/objects/folder-object-store.ts';
import { createObjectKeys } from '../../platform/objects/keys.ts';

const KEYS = createObjectKeys('sha256/');

/** Puts it where runners find it, signed as the precompile worker does. */
export async function storeArtifact(
  folder: string,
  artifact: PrecompiledArtifact,
  signingKey: KeyObject,
): Promise<void> {
  const { contentHash } = artifact;
  const { bytes, sha256 } = await packArtifact({ ...artifact, target: ARTIFACT_TARGET });
  const facts = { contentHash, target: ARTIFACT_TARGET, sha256 };
  const { keyId, envelope } = signArtifact(signingKey, facts);
  const objects = createFolderObjectStore({ folder });
  await objects.put(KEYS.artifact(contentHash, ARTIFACT_TARGET), bytes);
  await objects.put(KEYS.signature(contentHash, statementDigest(facts, keyId)), Buffer.from(envelope));
}
