import { createHash } from 'node:crypto';
import { PlatformError, isPlatformError, type ErrorCode, type Issue } from '../../core/errors.ts';
import { MAX_MANIFEST_BYTES } from '../../core/manifest/read-manifest.ts';
import { archiveLimitExceeded, type ArchiveLimits } from '../../core/tar/limits.ts';
import type { ByteSource } from '../objects/object-store.ts';
import { createSecretScan } from './secret-scan.ts';
import { unpackTarZst, type UnpackedEntry } from './unpack.ts';

export interface BundleFile {
  path: string;
  /** Bytes. */
  size: number;
}

/** What one pass over the bytes of a bundle found. */
export interface BundleContents {
  /** Hex. */
  sha256: string;
  /** Compressed bytes. */
  size: number;
  files: BundleFile[];
  /** Absent if there is none, or one that is too large. */
  manifestBytes?: Uint8Array;
  /** Absent if there is none, or one that is too large. */
  sbomBytes?: Uint8Array;
  /** Where credentials seem to lie. */
  secrets: Issue[];
}

export const MANIFEST = 'manifest.json';
export const SBOM = 'sbom.spdx.json';
const COMPONENTS = ['entry.wasm', 'dist/main.wasm'];
const MAX_SBOM_BYTES = 8 * 1024 * 1024;

/** What is the publisher's to repair; anything else that goes wrong is not the bundle's fault. */
const BUNDLE_FAULTS: ReadonlySet<ErrorCode> = new Set([
  'BUNDLE_CORRUPT',
  'BUNDLE_REJECTED',
  'ARCHIVE_LIMIT_EXCEEDED',
]);

export function isComponent(path: string): boolean {
  return COMPONENTS.includes(path);
}

/**
 * Reads a bundle once, from its first compressed byte to its last. Answers the fault that ends it, and throws what is no fault of the
 * bundle. `take` is given the component, which nobody has looked at yet; beside that the manifest and the list of software are held in
 * memory, nothing else.
 */
export async function scanBundle(
  source: ByteSource,
  limits: ArchiveLimits,
  take: (component: UnpackedEntry) => Promise<void>,
): Promise<BundleContents | PlatformError> {
  const hash = createHash('sha256');
  const scan = createSecretScan(isComponent);
  const contents: BundleContents = { sha256: '', size: 0, files: [], secrets: [] };
  let component: string | undefined;
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source instanceof Uint8Array ? [source] : source) {
      hash.update(chunk);
      contents.size += chunk.length;
      yield chunk;
    }
  }
  try {
    for await (const entry of unpackTarZst(hashed(), limits, scan.look)) {
      const { path, size } = entry;
      contents.files.push({ path, size });
      if (path === MANIFEST && size <= MAX_MANIFEST_BYTES) contents.manifestBytes = await entry.bytes();
      else if (path === SBOM && size <= MAX_SBOM_BYTES) contents.sbomBytes = await entry.bytes();
      else if (isComponent(path)) {
        // Refused by its header: not one of its bytes is expanded.
        assertComponent(entry, component, limits);
        component = path;
        await take(entry);
      }
    }
  } catch (err) {
    if (isPlatformError(err) && BUNDLE_FAULTS.has(err.code)) return err;
    throw err;
  }
  contents.sha256 = hash.digest('hex');
  contents.secrets = scan.findings();
  return contents;
}

function assertComponent(
  { path, size }: UnpackedEntry,
  another: string | undefined,
  limits: ArchiveLimits,
): void {
  if (another !== undefined) {
    const message = `the bundle has two components, ${another} and ${path}; remove one`;
    throw new PlatformError('BUNDLE_REJECTED', message, {
      issues: [{ path, code: 'second_component', message, expected: 'one component' }],
    });
  }
  if (size > limits.componentBytes) {
    throw archiveLimitExceeded(limits, 'componentBytes', `the component has ${size} bytes`);
  }
}
