import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { PlatformError } from '../core/errors.ts';
import { parseManifest, type Manifest } from '../core/manifest/manifest.ts';
import type { ObjectKeys } from '../platform/objects/keys.ts';
import type { ObjectStore } from '../platform/objects/object-store.ts';

/** The manifest of a bundle that was promoted, as its publisher wrote it, and what signatures say of it. Throws BUNDLE_UNAVAILABLE. */
export async function readPromotedManifest(
  objects: Pick<ObjectStore, 'read'>,
  keys: Pick<ObjectKeys, 'manifest'>,
  contentHash: string,
): Promise<{ contentHash: string; manifestSha256: string; manifest: Manifest }> {
  const stored = await objects.read(keys.manifest(contentHash));
  if (!stored)
    throw new PlatformError('BUNDLE_UNAVAILABLE', 'the promoted manifest is not in the object store');
  const bytes = await buffer(stored.body);
  const manifestSha256 = createHash('sha256').update(bytes).digest('hex');
  return { contentHash, manifestSha256, manifest: parseManifest(bytes) };
}
