import type { KeyObject } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isPlatformError, PlatformError } from '../../core/errors.ts';
import { contentHashHex } from '../../core/ids.ts';
import type { ArchiveLimits } from '../../core/tar/limits.ts';
import { hashArchive, openArtifact, type VerifiedArtifact } from '../../platform/component/artifact.ts';
import {
  artifactInvalid,
  findArtifactSignature,
  type ArtifactIdentity,
} from '../../platform/component/artifact-signature.ts';
import type { Logger } from '../../platform/logger.ts';
import type { ObjectKeys } from '../../platform/objects/keys.ts';
import type { ObjectStore } from '../../platform/objects/object-store.ts';
import { keyIdOf } from '../../platform/signatures/dsse.ts';
import type { CountLookup } from './count-lookup.ts';
import type { AskForArtifact } from './artifact-requests.ts';
import type { DiskCache } from './disk-cache.ts';

const FETCH_TIMEOUT_MS = 60_000;
const MAX_SIGNATURE_BYTES = 64 * 1024;

const ARTIFACT_FILE = 'artifact.tar.zst';
const SIGNATURE_FILE = 'artifact.dsse.json';

export interface LoadArtifactDeps {
  objects: Pick<ObjectStore, 'read'>;
  keys: ObjectKeys;
  disk: DiskCache;
  /** Public halves of the keys whose counter-signature is accepted: the current one, then previous ones. */
  artifactKeys: readonly [KeyObject, ...KeyObject[]];
  /** Targets that the engine runs: the current one, then previous ones. */
  targets: readonly string[];
  askForArtifact: AskForArtifact;
  countLookup: CountLookup;
  bundleLimits: ArchiveLimits;
  logger: Logger;
}

interface Opened {
  artifact: VerifiedArtifact;
  keyId: string;
}

/**
 * The best artifact there is, from disk or store, verified. What is missing, or can be had only for a previous target or by a previous
 * key, is asked for. Throws BUNDLE_UNAVAILABLE, OBJECT_STORE_UNAVAILABLE.
 */
export async function loadArtifact(deps: LoadArtifactDeps, contentHash: string): Promise<VerifiedArtifact> {
  const { targets, artifactKeys, askForArtifact, countLookup, logger } = deps;
  const currentKey = keyIdOf(artifactKeys[0]);
  const faults: Error[] = [];
  for (const target of targets) {
    const identity = { contentHash, target };
    try {
      const kept = await fromDisk(deps, identity);
      const found = kept ?? (await fromStore(deps, identity));
      if (found === undefined) continue;
      countLookup('artifact', kept === undefined ? 'store' : 'disk');
      if (target !== targets[0] || found.keyId !== currentKey) askForArtifact(contentHash, 'outdated');
      return found.artifact;
    } catch (err) {
      // One of a previous target may be at hand all the same.
      logger.error({ err, contentHash, target }, 'artifact not usable');
      faults.push(err as Error);
    }
  }
  countLookup('artifact', 'none');
  const away = faults.find((err) => !isArtifactInvalid(err));
  if (away !== undefined) throw away; // the store may well have it
  askForArtifact(contentHash, 'missing');
  throw new PlatformError('BUNDLE_UNAVAILABLE', `there is no artifact of ${contentHash} to run yet`, {
    cause: faults[0],
  });
}

function isArtifactInvalid(err: unknown): boolean {
  return isPlatformError(err) && err.code === 'ARTIFACT_INVALID';
}

function entryName({ contentHash, target }: ArtifactIdentity): string {
  return `artifact-${contentHashHex(contentHash)}-${target}`;
}

async function fromDisk(deps: LoadArtifactDeps, identity: ArtifactIdentity): Promise<Opened | undefined> {
  const name = entryName(identity);
  const folder = deps.disk.find(name);
  if (folder === undefined) return undefined;
  try {
    const [bytes, envelope] = await Promise.all([
      readFile(join(folder, ARTIFACT_FILE)),
      readFile(join(folder, SIGNATURE_FILE), 'utf8'),
    ]);
    return await openArtifact(deps.artifactKeys, identity, await hashArchive(bytes), envelope);
  } catch (err) {
    // Damaged, gone, or by a key that is trusted no more: the object store has the original.
    deps.logger.warn({ err, ...identity }, 'cached artifact discarded');
    await deps.disk.discard(name);
    return undefined;
  }
}

async function fromStore(deps: LoadArtifactDeps, identity: ArtifactIdentity): Promise<Opened | undefined> {
  const { keys, artifactKeys, bundleLimits } = deps;
  const signal = AbortSignal.timeout(FETCH_TIMEOUT_MS);
  const key = keys.artifact(identity.contentHash, identity.target);
  const bytes = await readObject(deps, key, bundleLimits.compressedBytes, signal);
  if (bytes === undefined) return undefined;
  const archive = await hashArchive(bytes);
  const signature = await findArtifactSignature(
    (place) => readObject(deps, place, MAX_SIGNATURE_BYTES, signal),
    keys,
    artifactKeys,
    { ...identity, sha256: archive.sha256 },
  );
  if (signature === undefined) throw artifactInvalid('no key that is trusted here signed the stored bytes');
  const opened = await openArtifact(artifactKeys, identity, archive, signature.envelope);
  try {
    await deps.disk.put(entryName(identity), async (folder) => {
      await writeFile(join(folder, ARTIFACT_FILE), bytes);
      await writeFile(join(folder, SIGNATURE_FILE), signature.envelope);
    });
  } catch (err) {
    deps.logger.error({ err, ...identity }, 'artifact could not be cached on disk'); // it runs all the same
  }
  return opened;
}

async function readObject(
  { objects }: LoadArtifactDeps,
  key: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const object = await objects.read(key, { signal });
  if (object === undefined) return undefined;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of object.body) {
    size += chunk.byteLength;
    if (size > maxBytes) throw artifactInvalid(`${key} is over ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
