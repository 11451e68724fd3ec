import { createHash } from 'node:crypto';
import { PlatformError, isPlatformError } from '../../core/errors.ts';
import type { ErrorCode } from '../../core/errors.ts';
import {
  MAX_MANIFEST_BYTES,
  checkManifestAgainstFiles,
  parseManifest,
} from '../../core/manifest/manifest.ts';
import type { Manifest } from '../../core/manifest/manifest.ts';
import type { Check } from '../../core/progress.ts';
import { DEFAULT_BUNDLE_LIMITS } from '../../core/tar/limits.ts';
import type { ArchiveLimits } from '../../core/tar/limits.ts';
import type { ByteSource } from '../objects/object-store.ts';
import { unpackTarZst } from './unpack.ts';

export interface Bundle {
  /** `sha256:<hex>` of the compressed bytes that were read. */
  contentHash: string;
  /** Compressed bytes. */
  size: number;
  manifest: Manifest;
  manifestBytes: Uint8Array;
  component: Uint8Array;
  files: readonly BundleFile[];
}

export interface BundleFile {
  path: string;
  size: number;
}

export interface BundleVerification {
  /** `digest`, `archive`, `manifest`, `files`, each once and in this order. */
  checks: Check[];
  /** There if and only if every check passed. */
  bundle?: Bundle;
  /** Why the first check failed. */
  fault?: PlatformError;
}

export interface VerifyOptions {
  limits?: ArchiveLimits;
  /** Hex sha256 that the bytes were announced to have. */
  expectedSha256?: string | undefined;
}

const MANIFEST = 'manifest.json';
const COMPONENTS = ['entry.wasm', 'dist/main.wasm'];
const OTHER_FILES = new Set(['sbom.spdx.json', 'metadata.json']);
const FOLDERS = ['ui/', 'wit/'];
const SOURCE_MAP = /^(dist\/)?[^/]+\.map$/;

/** What is the publisher's to repair; anything else that goes wrong is not the bundle's fault. */
const BUNDLE_FAULTS: ReadonlySet<ErrorCode> = new Set([
  'BUNDLE_CORRUPT',
  'BUNDLE_REJECTED',
  'ARCHIVE_LIMIT_EXCEEDED',
  'MANIFEST_INVALID',
]);

/**
 * Reads a bundle once, from its first compressed byte to its last, and records each check. Faults of the bundle are in the answer;
 * faults of `source` are thrown. Holds the manifest and the component in memory, nothing else.
 */
export async function verifyBundle(
  source: ByteSource,
  options: VerifyOptions = {},
): Promise<BundleVerification> {
  const checks: Check[] = [];
  const faults: PlatformError[] = [];
  function check<T>(name: string, run: () => T): T | undefined {
    try {
      const value = run();
      checks.push({ name, result: 'passed', required: true });
      return value;
    } catch (err) {
      if (!isBundleFault(err)) throw err;
      faults.push(err);
      checks.push({ name, result: 'failed', required: true, detail: err.message });
      return undefined;
    }
  }

  const contents = await scan(source, options.limits ?? DEFAULT_BUNDLE_LIMITS);
  if (isPlatformError(contents)) {
    // The digest is of the whole, and what comes after the fault was not read.
    checks.push(skipped('digest'));
    check('archive', () => {
      throw contents;
    });
    checks.push(skipped('manifest'), skipped('files'));
    return { checks, fault: contents };
  }
  check('digest', () => assertDigest(contents.sha256, options.expectedSha256));
  checks.push({ name: 'archive', result: 'passed', required: true });
  const manifest = check('manifest', () => readManifest(contents));
  const component = check('files', () => checkFiles(contents, manifest));
  const [fault] = faults;
  if (fault !== undefined || manifest === undefined || component === undefined) {
    return { checks, ...(fault === undefined ? {} : { fault }) };
  }
  const { sha256, size, files, manifestBytes = new Uint8Array() } = contents;
  return {
    checks,
    bundle: { contentHash: `sha256:${sha256}`, size, manifest, manifestBytes, component, files },
  };
}

/** The bundle, or the fault of its first failed check as an error. */
export async function readBundle(
  source: ByteSource,
  limits: ArchiveLimits = DEFAULT_BUNDLE_LIMITS,
): Promise<Bundle> {
  const { bundle, fault } = await verifyBundle(source, { limits });
  if (bundle === undefined) throw fault ?? new PlatformError('INTERNAL', 'a bundle failed without a fault');
  return bundle;
}

interface Contents {
  sha256: string;
  size: number;
  files: BundleFile[];
  manifestBytes?: Uint8Array;
  components: { path: string; bytes: Uint8Array }[];
}

/** One pass over the bytes; answers the archive's fault, and throws any other. */
async function scan(source: ByteSource, limits: ArchiveLimits): Promise<Contents | PlatformError> {
  const hash = createHash('sha256');
  const contents: Contents = { sha256: '', size: 0, files: [], components: [] };
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source instanceof Uint8Array ? [source] : source) {
      hash.update(chunk);
      contents.size += chunk.length;
      yield chunk;
    }
  }
  try {
    for await (const entry of unpackTarZst(hashed(), limits)) {
      contents.files.push({ path: entry.path, size: entry.size });
      if (entry.path === MANIFEST && entry.size <= MAX_MANIFEST_BYTES) {
        contents.manifestBytes = await entry.bytes();
      } else if (COMPONENTS.includes(entry.path)) {
        contents.components.push({ path: entry.path, bytes: await entry.bytes() });
      }
    }
  } catch (err) {
    if (isBundleFault(err)) return err;
    throw err;
  }
  contents.sha256 = hash.digest('hex');
  return contents;
}

function assertDigest(actual: string, expected: string | undefined): void {
  if (expected === undefined || expected === actual) return;
  throw new PlatformError(
    'BUNDLE_CORRUPT',
    `the bytes have the sha256 ${actual}, announced was ${expected}`,
    {
      details: { actual, expected },
    },
  );
}

function readManifest({ files, manifestBytes }: Contents): Manifest {
  if (manifestBytes !== undefined) return parseManifest(manifestBytes);
  const isThere = files.some((file) => file.path === MANIFEST);
  throw new PlatformError(
    'MANIFEST_INVALID',
    isThere
      ? `manifest.json has more than ${MAX_MANIFEST_BYTES} bytes; shorten it`
      : 'there is no manifest.json at the top of the bundle; add it',
  );
}

/** Answers the component. */
function checkFiles({ files, components }: Contents, manifest: Manifest | undefined): Uint8Array {
  const stray = files.filter((file) => !isBundlePath(file.path)).map((file) => file.path);
  if (stray.length > 0) {
    const some = stray.slice(0, 5).map((path) => JSON.stringify(path));
    throw rejected(
      `has files with no place in it, such as ${some.join(', ')}; leave them out or move them to ui/`,
    );
  }
  const [component, another] = components;
  if (component === undefined) throw rejected('has no component; add it as entry.wasm');
  if (another !== undefined) throw rejected(`has two components, ${COMPONENTS.join(' and ')}; remove one`);
  if (manifest !== undefined)
    checkManifestAgainstFiles(
      manifest,
      files.map((file) => file.path),
    );
  return component.bytes;
}

/** Precompiled code is not among them: the platform takes none but its own. */
function isBundlePath(path: string): boolean {
  return (
    path === MANIFEST ||
    COMPONENTS.includes(path) ||
    OTHER_FILES.has(path) ||
    SOURCE_MAP.test(path) ||
    FOLDERS.some((folder) => path.startsWith(folder))
  );
}

function isBundleFault(err: unknown): err is PlatformError {
  return isPlatformError(err) && BUNDLE_FAULTS.has(err.code);
}

function rejected(message: string): PlatformError {
  return new PlatformError('BUNDLE_REJECTED', `the bundle ${message}`);
}

function skipped(name: string): Check {
  return { name, result: 'skipped', required: true, detail: 'the archive could not be read to its end' };
}
