import { createPublicKey, type KeyObject } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { activityInfo, log } from '@temporalio/activity';
import type { Artifact } from '../core/artifact.ts';
import { PlatformError } from '../core/errors.ts';
import { parseManifest } from '../core/manifest/manifest.ts';
import type { Check, FailureReason } from '../core/progress.ts';
import { packArtifact, sha256Hex } from '../platform/component/artifact.ts';
import {
  findArtifactSignature,
  signArtifact,
  statementDigest,
  type ArtifactFacts,
} from '../platform/component/artifact-signature.ts';
import type { ChildCrash } from '../platform/component/component-child.ts';
import { verifyComponent } from '../platform/component/component-checks.ts';
import { precompileComponent } from '../platform/component/precompile.ts';
import type { ObjectKeys } from '../platform/objects/keys.ts';
import type { ObjectStore } from '../platform/objects/object-store.ts';
import { withHeartbeat } from './heartbeat.ts';
import { readPinned } from './staging.ts';
import type { UploadRef } from './uploads.ts';
import type { ComponentToInspect } from './verification.ts';

/** A component of 12 MB takes about a second to inspect and four to transpile; these stop one that was made to take for ever. */
const INSPECT_TIMEOUT_MS = 60_000;
const PRECOMPILE_TIMEOUT_MS = 5 * 60_000;

export interface PrecompileDeps {
  objects: Pick<ObjectStore, 'read' | 'putOnce'>;
  keys: ObjectKeys;
  /** Ed25519 private key that counter-signs artifacts. */
  signingKey: KeyObject;
  /** Public keys whose artifacts are taken over and signed anew. */
  previousKeys: readonly KeyObject[];
  /** What this worker makes; see core/artifact-target.ts. */
  target: string;
}

export type InspectComponentInput = UploadRef & ComponentToInspect;

/** What was found of a component. With a `fault` the bundle is refused. */
export interface InspectedComponent {
  checks: Check[];
  fault?: FailureReason;
  /** What the artifact will be made for: a workflow must learn it from here, since its own code changes under it. */
  target: string;
  attempts: number;
}

export type PrecompileActivities = ReturnType<typeof createPrecompileActivities>;

/** Work on the component itself: CPU-heavy, on hostile bytes, each in a child process with a memory cap and a time limit. */
export function createPrecompileActivities({
  objects,
  keys,
  signingKey,
  previousKeys,
  target,
}: PrecompileDeps) {
  const trusted = [createPublicKey(signingKey), ...previousKeys];

  async function read(key: string, signal: AbortSignal): Promise<Buffer | undefined> {
    const stored = await objects.read(key, { signal });
    return stored && buffer(stored.body);
  }

  async function mustRead(key: string, signal: AbortSignal): Promise<Buffer> {
    const bytes = await read(key, signal);
    if (!bytes)
      throw new PlatformError('BUNDLE_UNAVAILABLE', 'the promoted bundle is not in the object store');
    return bytes;
  }

  const put = (key: string, bytes: Uint8Array, sha256: string, signal: AbortSignal): Promise<void> =>
    objects.putOnce(key, bytes, { sha256, size: bytes.byteLength, signal });

  async function sign(facts: ArtifactFacts, sizeBytes: number, signal: AbortSignal): Promise<Artifact> {
    const { keyId, envelope } = signArtifact(signingKey, facts);
    const bytes = Buffer.from(envelope);
    const place = keys.signature(facts.contentHash, statementDigest(facts, keyId));
    await put(place, bytes, sha256Hex(bytes), signal);
    return { target: facts.target, sha256: facts.sha256, sizeBytes, keyId };
  }

  /**
   * What an earlier attempt left, or another version with the same content; one by a previous key is signed with ours as well. What no
   * key of ours signed is as good as none: making it again shows whether it is what it should be.
   */
  async function takeOver(contentHash: string, signal: AbortSignal): Promise<Artifact | undefined> {
    const bytes = await read(keys.artifact(contentHash, target), signal);
    if (!bytes) return undefined;
    const facts = { contentHash, target, sha256: sha256Hex(bytes) };
    const signature = await findArtifactSignature((place) => read(place, signal), keys, trusted, facts);
    if (signature) return sign(facts, bytes.byteLength, signal);
    log.warn('no trusted key signed the stored artifact; it is made again', { contentHash, target });
    return undefined;
  }

  async function makeArtifact(contentHash: string, signal: AbortSignal): Promise<Artifact> {
    const manifest = parseManifest(await mustRead(keys.manifest(contentHash), signal));
    const component = await mustRead(keys.component(contentHash), signal);
    const { memoryMb } = manifest.limits;
    const made = await precompileComponent(component, {
      memoryMb,
      timeoutMs: PRECOMPILE_TIMEOUT_MS,
      signal,
      onCrash: logCrash(contentHash),
    });
    const { bytes, sha256 } = await packArtifact({ ...made, contentHash, target });
    await put(keys.artifact(contentHash, target), bytes, sha256, signal);
    // The signature last: where it is, the artifact is whole.
    return sign({ contentHash, target, sha256 }, bytes.byteLength, signal);
  }

  return {
    /**
     * Whether the pinned component fits the host world, and what to tell its author about it, whatever else is wrong with the bundle.
     * Changes nothing, so it may run twice.
     */
    async inspectComponent(input: InspectComponentInput): Promise<InspectedComponent> {
      const { contentHash, pin, declared } = input;
      const { checks, fault } = await withHeartbeat(async (signal) => {
        const component = await buffer(await readPinned(objects, keys.pinned(input, pin).component, signal));
        return verifyComponent(component, declared, {
          timeoutMs: INSPECT_TIMEOUT_MS,
          signal,
          onCrash: logCrash(contentHash),
        });
      });
      const reason = fault && { code: fault.code, message: fault.message };
      return { checks, ...(reason && { fault: reason }), target, attempts: activityInfo().attempt };
    },

    /**
     * Makes, signs and stores the artifact that runners load. A second time finds the first one's, or makes the same bytes again.
     * Throws COMPONENT_INVALID, WORLD_MISMATCH, or TARGET_UNAVAILABLE if this worker makes another.
     */
    async precompileBundle({
      contentHash,
      target: wanted,
    }: {
      contentHash: string;
      target: string;
    }): Promise<{ artifact: Artifact; attempts: number }> {
      if (wanted !== target) {
        throw new PlatformError(
          'TARGET_UNAVAILABLE',
          `this worker makes artifacts for ${target}, not ${wanted}`,
        );
      }
      const artifact = await withHeartbeat(
        async (signal) => (await takeOver(contentHash, signal)) ?? makeArtifact(contentHash, signal),
      );
      return { artifact, attempts: activityInfo().attempt };
    },
  };
}

function logCrash(contentHash: string): (crash: ChildCrash) => void {
  return (crash) => void log.warn('a component child gave no answer', { contentHash, ...crash });
}
