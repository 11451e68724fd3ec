import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { activityInfo } from '@temporalio/activity';
import { ALWAYS_GRANTED, capabilityOfInterface } from '../core/capabilities.ts';
import { PlatformError } from '../core/errors.ts';
import { parseManifest, type Manifest } from '../core/manifest/manifest.ts';
import type { Check } from '../core/progress.ts';
import { extensionInterface } from '../core/world.ts';
import { readBundle } from '../platform/bundle/read-bundle.ts';
import { packArtifact, signArtifact, verifyArtifactSignature } from '../platform/component/artifact.ts';
import { inspectInChild, precompileComponent } from '../platform/component/precompile.ts';
import type { ComponentInspection } from '../platform/component/inspect-component.ts';
import type { ObjectKeys } from '../platform/objects/keys.ts';
import type { ObjectStore } from '../platform/objects/object-store.ts';
import { withHeartbeat } from './heartbeat.ts';
import { readStaging } from './staging.ts';
import type { UploadRef } from './uploads.ts';

/** A component of 12 MB takes about a second to inspect and ten to transpile; these stop one that was made to take for ever. */
const INSPECT_TIMEOUT_MS = 60_000;
const PRECOMPILE_TIMEOUT_MS = 5 * 60_000;

export interface PrecompileDeps {
  objects: Pick<ObjectStore, 'read' | 'putOnce'>;
  keys: ObjectKeys;
  /** Ed25519 private key that counter-signs artifacts. */
  signingKey: KeyObject;
  /** What this platform's runners load; see core/artifact-target.ts. */
  target: string;
}

export interface InspectComponentInput extends UploadRef {
  contentHash: string;
}

export interface Artifact {
  target: string;
  /** Hex. */
  sha256: string;
  sizeBytes: number;
}

export type PrecompileActivities = ReturnType<typeof createPrecompileActivities>;

/** Work on the component itself: CPU-heavy, on hostile bytes, each in a child process with a memory cap and a time limit. */
export function createPrecompileActivities({ objects, keys, signingKey, target }: PrecompileDeps) {
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

  /** The artifact an earlier attempt left whole, or one of another version with the same content. */
  async function findArtifact(contentHash: string, signal: AbortSignal): Promise<Artifact | undefined> {
    const envelope = await read(keys.artifactSignature(contentHash, target), signal);
    const bytes = envelope && (await read(keys.artifact(contentHash, target), signal));
    if (!envelope || !bytes) return undefined;
    const identity = { contentHash, target };
    const { sha256 } = verifyArtifactSignature(
      createPublicKey(signingKey),
      envelope.toString('utf8'),
      identity,
    );
    if (sha256Hex(bytes) !== sha256) {
      throw new PlatformError('ARTIFACT_INVALID', 'the stored artifact is not the one that was signed');
    }
    return { target, sha256, sizeBytes: bytes.byteLength };
  }

  async function makeArtifact(contentHash: string, signal: AbortSignal): Promise<Artifact> {
    const manifest = parseManifest(await mustRead(keys.manifest(contentHash), signal));
    const component = await mustRead(keys.component(contentHash), signal);
    const { memoryMb } = manifest.limits;
    const made = await precompileComponent(component, { memoryMb, timeoutMs: PRECOMPILE_TIMEOUT_MS, signal });
    const { bytes, sha256 } = await packArtifact({ ...made, contentHash, target });
    const put = (key: string, content: Uint8Array, hash: string): Promise<void> =>
      objects.putOnce(key, content, { sha256: hash, size: content.byteLength, signal });
    await put(keys.artifact(contentHash, target), bytes, sha256);
    // The signature last: where it is, the artifact is whole.
    const envelope = Buffer.from(signArtifact(signingKey, { contentHash, target, sha256 }));
    await put(keys.artifactSignature(contentHash, target), envelope, sha256Hex(envelope));
    return { target, sha256, sizeBytes: bytes.byteLength };
  }

  return {
    /**
     * Whether the staged component fits the host world, and what to tell its author about its imports. Throws COMPONENT_INVALID,
     * WORLD_MISMATCH, or BUNDLE_CORRUPT if staging no longer holds the verified bytes. Changes nothing, so it may run twice.
     */
    async inspectComponent(input: InspectComponentInput): Promise<{ checks: Check[]; attempts: number }> {
      const { tenantId, uploadId, contentHash } = input;
      const checks = await withHeartbeat(async (signal) => {
        const bundle = await readBundle(await readStaging(objects, keys.staging(tenantId, uploadId), signal));
        if (bundle.contentHash !== contentHash) {
          throw new PlatformError('BUNDLE_CORRUPT', 'the uploaded bytes changed while they were verified');
        }
        const inspection = await inspectInChild(bundle.component, { timeoutMs: INSPECT_TIMEOUT_MS, signal });
        return componentChecks(inspection, bundle.manifest);
      });
      return { checks, attempts: activityInfo().attempt };
    },

    /**
     * Makes, signs and stores the artifact that runners load. A second time finds the first one's, or makes the same bytes again.
     * Throws COMPONENT_INVALID or WORLD_MISMATCH.
     */
    async precompileBundle({
      contentHash,
    }: {
      contentHash: string;
    }): Promise<{ artifact: Artifact; attempts: number }> {
      const artifact = await withHeartbeat(
        async (signal) => (await findArtifact(contentHash, signal)) ?? makeArtifact(contentHash, signal),
      );
      return { artifact, attempts: activityInfo().attempt };
    },
  };
}

/** Imports are advice: what is imported and not granted is denied when it is called. */
function componentChecks({ imports, findings }: ComponentInspection, { capabilities }: Manifest): Check[] {
  const declared = new Set(capabilities.map(({ name }) => name));
  const undeclared = imports.flatMap((name) => {
    const interfaceName = extensionInterface(name);
    const capability = interfaceName === undefined ? undefined : capabilityOfInterface(interfaceName);
    if (capability === undefined || ALWAYS_GRANTED.includes(capability) || declared.has(capability))
      return [];
    return [`${name} is imported, but "capabilities" does not have ${capability}: calls to it are denied`];
  });
  return [
    { name: 'component', result: 'passed', required: true },
    advice('imports', undeclared),
    advice(
      'wasi',
      findings.map(({ message }) => message),
    ),
  ];
}

function advice(name: string, findings: readonly string[]): Check {
  if (findings.length === 0) return { name, result: 'passed', required: false };
  return { name, result: 'failed', required: false, detail: findings.join('; ') };
}

function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
