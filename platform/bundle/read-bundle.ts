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
import { DEFAULT_BUNDLE_LIMITS, archiveLimitExceeded } from '../../core/tar/limits.ts';
import type { ArchiveLimits } from '../../core/tar/limits.ts';
import type { ByteSource } from '../objects/object-store.ts';
import { unpackTarZst } from './unpack.ts';
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
 * Reads a bundle once, from its first compressed byte to its last or to what ends it, and records each check. Faults of the bundle are
 * in the answer; faults of `source` are thrown. Holds the manifest in memory, nothing else.
 */
export async function verifyBundle(
  source: ByteSource,
  options: VerifyOptions = {},
): Promise<BundleVerification> {
  return examine(source, options, () => Promise.resolve());
}

/** The bundle with its component, of at most `limits.componentBytes`, in memory; or the fault of its first failed check as an error. */
export async function readBundle(
  source: ByteSource,
  limits: ArchiveLimits = DEFAULT_BUNDLE_LIMITS,
): Promise<Bundle & { component: Uint8Array }> {
  let component: Uint8Array = new Uint8Array();
  const { bundle, fault } = await examine(source, { limits }, async (entry) => {
    component = await entry.bytes();
  });
  if (bundle === undefined) throw fault ?? new PlatformError('INTERNAL', 'a bundle failed without a fault');
  return { ...bundle, component };
}

/** `take` is given the component, which nobody has looked at yet. */
async function examine(
  source: ByteSource,
  options: VerifyOptions,
  take: (component: UnpackedEntry) => Promise<void>,
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

  const contents = await scan(source, options.limits ?? DEFAULT_BUNDLE_LIMITS, take);
  if (isPlatformError(contents)) return { checks: endedBy(contents), fault: contents };
  check('digest', () => assertDigest(contents.sha256, options.expectedSha256));
  checks.push({ name: 'archive', result: 'passed', required: true });
  const manifest = check('manifest', () => readManifest(contents));
  check('files', () => checkFiles(contents, manifest));
  const [fault] = faults;
  if (fault !== undefined || manifest === undefined) {
    return { checks, ...(fault === undefined ? {} : { fault }) };
  }
  const { sha256, size, files, manifestBytes = new Uint8Array() } = contents;
  return {
    checks,
    bundle: { contentHash: `sha256:${sha256}`, size, manifest, manifestBytes, files },
  };
}

interface Contents {
  sha256: string;
  size: number;
  files: BundleFile[];
  manifestBytes?: Uint8Array;
}

/** One pass over the bytes; answers the fault that ends it, and throws what is no fault of the bundle. */
async function scan(
  source: ByteSource,
  limits: ArchiveLimits,
  take: (component: UnpackedEntry) => Promise<void>,
): Promise<Contents | PlatformError> {
  const hash = createHash('sha256');
  const contents: Contents = { sha256: '', size: 0, files: [] };
  let component: string | undefined;
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
        // Refused by its header: not one of its bytes is expanded.
        assertComponent(entry, component, limits);
        component = entry.path;
        await take(entry);
      }
    }
  } catch (err) {
    if (isBundleFault(err)) return err;
    throw err;
  }
  contents.sha256 = hash.digest('hex');
  return contents;
}

function assertComponent(
  { path, size }: UnpackedEntry,
  another: string | undefined,
  limits: ArchiveLimits,
): void {
  if (another !== undefined) throw rejected(`has two components, ${another} and ${path}; remove one`);
  if (size > limits.componentBytes) {
    throw archiveLimitExceeded(limits, 'componentBytes', `the component has ${size} bytes`);
  }
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

function checkFiles({ files }: Contents, manifest: Manifest | undefined): void {
  const stray = files.filter((file) => !isBundlePath(file.path)).map((file) => file.path);
  if (stray.length > 0) {
    const some = stray.slice(0, 5).map((path) => JSON.stringify(path));
    throw rejected(
      `has files with no place in it, such as ${some.join(', ')}; leave them out or move them to ui/`,
    );
  }
  if (!files.some(({ path }) => COMPONENTS.includes(path))) {
    throw rejected('has no component; add it as entry.wasm');
  }
  if (manifest !== undefined)
    checkManifestAgainstFiles(
      manifest,
      files.map((file) => file.path),
    );
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

/** The checks of a bundle that was not read to its end: of what comes after the fault nothing is known, nor of the whole. */
function endedBy({ code, message }: PlatformError): Check[] {
  const failed = code === 'BUNDLE_REJECTED' ? 'files' : 'archive';
  return ['digest', 'archive', 'manifest', 'files'].map((name) => ({
    name,
    result: name === failed ? 'failed' : 'skipped',
    required: true,
    detail: name === failed ? message : 'the archive was not read to its end',
  }));
}
