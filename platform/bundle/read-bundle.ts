import { PlatformError, isPlatformError } from '../../core/errors.ts';
import type { Manifest } from '../../core/manifest/manifest.ts';
import type { Check } from '../../core/progress.ts';
import { DEFAULT_BUNDLE_LIMITS, type ArchiveLimits } from '../../core/tar/limits.ts';
import type { ByteSource } from '../objects/object-store.ts';
import { checkContents, endedBy } from './bundle-checks.ts';
import { scanBundle, type BundleFile } from './scan-bundle.ts';
import type { UnpackedEntry } from './unpack.ts';

export interface Bundle {
  /** `sha256:<hex>` of the compressed bytes that were read. */
  contentHash: string;
  /** Compressed bytes. */
  size: number;
  manifest: Manifest;
  manifestBytes: Uint8Array;
  files: readonly BundleFile[];
}

export interface BundleVerification {
  /** Those of `CONTENT_CHECKS`, each once and in this order. */
  checks: Check[];
  /** None if the archive could not be read to its end. */
  files: readonly BundleFile[];
  /** There if and only if no required check failed. */
  bundle?: Bundle;
  /** Why the first required check failed. */
  fault?: PlatformError;
  /** What is right of the manifest, whatever else is wrong with the bundle. */
  manifest?: Manifest;
  manifestBytes?: Uint8Array;
  /** That is all of it: it has no fault. */
  isManifestWhole: boolean;
  /** `sha256:<hex>` of the bytes; absent if they were not read to their end. */
  contentHash?: string;
}

export interface VerifyOptions {
  limits?: ArchiveLimits;
  /** Hex sha256 that the bytes were announced to have. */
  expectedSha256?: string | undefined;
  /** Is given the component, which nobody has looked at yet; what it throws is passed on. */
  takeComponent?: (component: UnpackedEntry) => Promise<void>;
}

/**
 * Reads a bundle once, from its first compressed byte to its last or to what ends it, and records each check. Faults of the bundle are
 * in the answer; faults of `source` are thrown. Holds the manifest in memory, nothing else of any size.
 */
export async function verifyBundle(
  source: ByteSource,
  options: VerifyOptions = {},
): Promise<BundleVerification> {
  return examine(source, options, options.takeComponent ?? (() => Promise.resolve()));
}

/** The same with the component, of at most `limits.componentBytes`, in memory; absent if there is none. */
export async function verifyWithComponent(
  source: ByteSource,
  options: VerifyOptions = {},
): Promise<BundleVerification & { component?: Uint8Array }> {
  let component: Uint8Array | undefined;
  const verification = await examine(source, options, async (entry) => {
    component = await entry.bytes();
  });
  return { ...verification, ...(component && { component }) };
}

/** The bundle with its component in memory; or the fault of its first failed check as an error. */
export async function readBundle(
  source: ByteSource,
  limits: ArchiveLimits = DEFAULT_BUNDLE_LIMITS,
): Promise<Bundle & { component: Uint8Array }> {
  const { bundle, component, fault } = await verifyWithComponent(source, { limits });
  if (bundle === undefined || component === undefined) {
    throw fault ?? new PlatformError('INTERNAL', 'a bundle failed without a fault');
  }
  return { ...bundle, component };
}

async function examine(
  source: ByteSource,
  { limits = DEFAULT_BUNDLE_LIMITS, expectedSha256 }: VerifyOptions,
  take: (component: UnpackedEntry) => Promise<void>,
): Promise<BundleVerification> {
  const contents = await scanBundle(source, limits, take);
  if (isPlatformError(contents)) {
    const checks = endedBy(contents).map(({ check }) => check);
    return { checks, fault: contents, files: [], isManifestWhole: false };
  }
  const { findings, reading } = checkContents(contents, expectedSha256);
  const { manifest, issues } = reading;
  const { sha256, size, files, manifestBytes } = contents;
  const contentHash = `sha256:${sha256}`;
  const fault = findings.find((finding) => finding.fault !== undefined)?.fault;
  return {
    checks: findings.map(({ check }) => check),
    contentHash,
    files,
    isManifestWhole: issues.length === 0,
    ...(manifest && { manifest }),
    ...(fault && { fault }),
    ...(manifestBytes && { manifestBytes }),
    ...(!fault &&
      manifest &&
      manifestBytes && { bundle: { contentHash, size, manifest, manifestBytes, files } }),
  };
}
