import { createHash, randomUUID, type Hash } from 'node:crypto';
import { activityInfo } from '@temporalio/activity';
import { isPlatformError, type ErrorCode, type PlatformError } from '../core/errors.ts';
import { contentHashHex, extensionAddress, publisherSlug } from '../core/ids.ts';
import type { Manifest } from '../core/manifest/manifest.ts';
import type { Check, FailureReason } from '../core/progress.ts';
import { verifyBundle, type Bundle, type BundleVerification } from '../platform/bundle/read-bundle.ts';
import type { Declared } from '../platform/component/component-checks.ts';
import type { RegistryStore } from '../platform/db/registry.ts';
import type { ObjectKeys } from '../platform/objects/keys.ts';
import type { ObjectStore } from '../platform/objects/object-store.ts';
import { withHeartbeat } from './heartbeat.ts';
import type { UploadTrust } from './upload-trust.ts';
import { readPinned } from './staging.ts';
import type { UploadRef } from './uploads.ts';

export interface VerificationDeps {
  objects: Pick<ObjectStore, 'copy' | 'read' | 'put'>;
  keys: Pick<ObjectKeys, 'staging' | 'pinned'>;
  registry: Pick<RegistryStore, 'checkPublishable'>;
  uploadTrust: UploadTrust;
}

export interface VerifyBundleInput extends UploadRef {
  /** What the bytes were received or announced as, if that is known. */
  contentHash?: string;
}

/** Where the bytes are that were verified, and what they are: promoted is nothing else. */
export interface VerifiedBundle {
  /** Of `ObjectKeys.pinned`. */
  pin: string;
  contentHash: string;
  sizeBytes: number;
  manifest: PinnedObject;
  component: PinnedObject;
}

export interface PinnedObject {
  /** Hex. */
  sha256: string;
  size: number;
}

export interface ComponentToInspect {
  /** Of the bundle it is in. */
  contentHash: string;
  /** Of `ObjectKeys.pinned`. */
  pin: string;
  /** Absent if the manifest could not be read. */
  declared?: Declared;
}

/** What was found in an upload. With a `fault` the bundle is refused. */
export interface Verdict {
  checks: Check[];
  fault?: FailureReason;
  /** What the bundle says it is, once its manifest could be read: `publisher.name`, and a version that may be a wildcard. */
  found?: { extension: string; version: string };
  /** `sha256:<hex>`; absent if the bytes could not be read to their end. */
  contentHash?: string;
  /** Its component, if that is worth a look: it could be read, and what is at fault is more than who publishes what. */
  inspect?: ComponentToInspect;
  /** There if and only if there is no `fault`. */
  bundle?: VerifiedBundle;
  attempts: number;
}

const NO_TRUST_BUNDLE: Check = {
  name: 'signature',
  result: 'skipped',
  required: false,
  detail: 'this platform has no trust bundle: unsigned bundles are taken and signatures are not looked at',
};

const NOT_ASKED: Check[] = ['publisher', 'version'].map((name) => ({
  name,
  result: 'skipped',
  required: true,
  detail: 'the manifest has faults',
}));

export type VerificationActivities = ReturnType<typeof createVerificationActivities>;

export function createVerificationActivities({ objects, keys, registry, uploadTrust }: VerificationDeps) {
  return {
    /**
     * Pins the staged bytes, reads the pinned ones once and records every check on them; beside them it puts the manifest and the
     * component. May run any number of times: each attempt has a pin of its own, so that none changes what another has verified.
     */
    async verifyBundle(input: VerifyBundleInput): Promise<Verdict> {
      const pin = randomUUID();
      const { checks, fault, component, ...read } = await withHeartbeat((signal) =>
        readOnce(input, pin, signal),
      );
      const attempts = activityInfo().attempt;
      const manifest = read.isManifestWhole ? read.manifest : undefined;
      const { contentHash, manifestBytes, bundle } = read;
      const signed =
        manifest && manifestBytes && contentHash ? { contentHash, manifest, manifestBytes } : undefined;
      const untrusted = await checkSignature(checks, uploadTrust, input, signed);
      const unpublishable = manifest && (await checkPublishable(checks, registry, input.tenantId, manifest));
      if (!manifest) checks.push(...NOT_ASKED);
      const first = fault ?? unpublishable ?? untrusted;
      const found = manifest && {
        extension: extensionAddress(publisherSlug(manifest.publisher), manifest.name),
        version: manifest.version,
      };
      return {
        checks,
        ...(first && { fault: reasonOf(first) }),
        ...(found && { found }),
        ...(contentHash && { contentHash }),
        ...(contentHash &&
          component &&
          (fault || !unpublishable) && {
            inspect: { contentHash, pin, ...(read.manifest && { declared: declaredOf(read.manifest) }) },
          }),
        ...(!first &&
          bundle &&
          component && {
            bundle: {
              ...{ pin, contentHash: bundle.contentHash, sizeBytes: bundle.size, component },
              manifest: { sha256: sha256Hex(bundle.manifestBytes), size: bundle.manifestBytes.byteLength },
            },
          }),
        attempts,
      };
    },
  };

  /** One way of the bytes: out of the pinned copy, through the hash and the archive reader; the component goes on into the store. */
  async function readOnce(
    { contentHash, ...upload }: VerifyBundleInput,
    pin: string,
    signal: AbortSignal,
  ): Promise<BundleVerification & { component?: PinnedObject }> {
    const pinned = keys.pinned(upload, pin);
    await objects.copy(keys.staging(upload), pinned.bundle);
    let component: PinnedObject | undefined;
    const verification = await verifyBundle(await readPinned(objects, pinned.bundle, signal), {
      expectedSha256: contentHash && contentHashHex(contentHash),
      async takeComponent({ body }) {
        const hash = createHash('sha256');
        const size = await objects.put(pinned.component, hashed(body, hash), { signal });
        component = { sha256: hash.digest('hex'), size };
      },
    });
    const { bundle } = verification;
    if (bundle) await objects.put(pinned.manifest, bundle.manifestBytes, { signal });
    return { ...verification, ...(component && { component }) };
  }
}

function declaredOf({ capabilities, limits: { memoryMb } }: Manifest): Declared {
  return { capabilities: capabilities.map(({ name }) => ({ name })), limits: { memoryMb } };
}

async function* hashed(body: AsyncIterable<Uint8Array>, hash: Hash): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    hash.update(chunk);
    yield chunk;
  }
}

function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Held against what is trusted now; registering holds it against what is trusted then. */
async function checkSignature(
  checks: Check[],
  uploadTrust: UploadTrust,
  upload: UploadRef,
  bundle: Pick<Bundle, 'contentHash' | 'manifest' | 'manifestBytes'> | undefined,
): Promise<PlatformError | undefined> {
  const { policy } = await uploadTrust.policy();
  if (policy === 'optional') {
    checks.push(NO_TRUST_BUNDLE);
    return undefined;
  }
  if (!bundle) {
    const detail = 'what has to be signed could not be read';
    checks.push({ name: 'signature', result: 'skipped', required: true, detail });
    return undefined;
  }
  const { manifest, manifestBytes, contentHash } = bundle;
  const manifestSha256 = sha256Hex(manifestBytes);
  const { keyIds, fault } = await uploadTrust.judge(upload, { contentHash, manifestSha256, manifest });
  const detail = fault?.message ?? `signed by ${keyIds.join(', ')}`;
  checks.push({ name: 'signature', result: fault ? 'failed' : 'passed', required: true, detail });
  return fault;
}

const REGISTRY_CHECKS: Partial<Record<ErrorCode, 'publisher' | 'version'>> = {
  PUBLISHER_NOT_YOURS: 'publisher',
  MANIFEST_INVALID: 'publisher',
  VERSION_EXISTS: 'version',
};

/** Asked now so that the publisher need not wait for jco to hear it; registering decides. */
async function checkPublishable(
  checks: Check[],
  registry: VerificationDeps['registry'],
  tenantId: string,
  manifest: Manifest,
): Promise<PlatformError | undefined> {
  try {
    await registry.checkPublishable(tenantId, manifest);
  } catch (err) {
    const name = isPlatformError(err) ? REGISTRY_CHECKS[err.code] : undefined;
    if (!isPlatformError(err) || name === undefined) throw err;
    if (name === 'version') checks.push(passedPublisher(manifest));
    checks.push({ name, result: 'failed', required: true, detail: err.message });
    return err;
  }
  checks.push(passedPublisher(manifest), { name: 'version', result: 'passed', required: true });
  return undefined;
}

function passedPublisher({ publisher }: Manifest): Check {
  return {
    name: 'publisher',
    result: 'passed',
    required: true,
    detail: `its slug is "${publisherSlug(publisher)}"`,
  };
}

function reasonOf({ code, message }: PlatformError): FailureReason {
  return { code, message };
}
