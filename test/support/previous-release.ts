import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ARTIFACT_TARGET, PREVIOUS_ARTIFACT_TARGET } from '../../core/artifact-target.ts';
import { canonicalJson } from '../../core/canonical-json.ts';
import { contentHashHex } from '../../core/ids.ts';
import { hashArchive, openArtifact, packArtifact } from '../../platform/component/artifact.ts';
import { findArtifactSignature } from '../../platform/component/artifact-signature.ts';
import { createFolderObjectStore } from '../../platform/objects/folder-object-store.ts';
import { createObjectKeys } from '../../platform/objects/keys.ts';
import { IN_TOTO_TYPE, keyIdOf, signEnvelope } from '../../platform/signatures/dsse.ts';
import { readPrivateKey, readPublicKey } from '../../platform/tokens/ed25519.ts';
import { expandArtifact } from '../../runner/sandbox/expand-artifact.ts';

const keys = createObjectKeys('sha256/');

/**
 * Makes the objects of a bundle in a data folder what the previous release left: its artifact for the previous target, with the one
 * signature of layout revision 1. The folder's platform must be stopped, or not need the artifact.
 */
export async function becomePreviousRelease(
  objectsFolder: string,
  contentHash: string,
  key: { publicKey: string; privateKey: string },
): Promise<void> {
  const file = (name: string): string => path.join(objectsFolder, name);
  const archive = await hashArchive(readFileSync(file(keys.artifact(contentHash, ARTIFACT_TARGET))));
  const trusted = [readPublicKey(key.publicKey)];
  const identity = { contentHash, target: ARTIFACT_TARGET };
  const objects = createFolderObjectStore({ folder: objectsFolder });
  const read = async (name: string): Promise<Uint8Array | undefined> =>
    (await objects.read(name)) && readFileSync(file(name));
  const signature = await findArtifactSignature(read, keys, trusted, {
    ...identity,
    sha256: archive.sha256,
  });
  await openArtifact(trusted, identity, archive, signature?.envelope ?? '');
  const { artifact } = await expandArtifact(contentHash, archive.bytes);

  const previous = await packArtifact({
    ...artifact,
    imports: [...artifact.imports],
    coreModules: { ...artifact.coreModules },
    target: PREVIOUS_ARTIFACT_TARGET,
  });
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: 'bundle.tar.zst', digest: { sha256: contentHashHex(contentHash) } }],
    predicateType: 'https://alga.dev/extension/precompiled/v1',
    predicate: { target: PREVIOUS_ARTIFACT_TARGET, artifact: { sha256: previous.sha256 } },
  };
  const payload = Buffer.from(canonicalJson(statement));
  const keyId = keyIdOf(readPublicKey(key.publicKey));
  const envelope = signEnvelope(readPrivateKey(key.privateKey), keyId, IN_TOTO_TYPE, payload);
  writeFileSync(file(keys.artifact(contentHash, PREVIOUS_ARTIFACT_TARGET)), previous.bytes);
  writeFileSync(file(keys.unnamedSignature(contentHash, PREVIOUS_ARTIFACT_TARGET)), canonicalJson(envelope));
  rmSync(file(keys.artifact(contentHash, ARTIFACT_TARGET)));
  rmSync(path.dirname(file(keys.signature(contentHash, 'any'))), { recursive: true });
}
