import { PlatformError } from '../core/errors.ts';
import type { ObjectStore } from '../platform/objects/object-store.ts';

/** Pinned bytes of an upload. Throws BUNDLE_UNAVAILABLE if they are not there: staging is emptied only after the publish has ended. */
export async function readPinned(
  objects: Pick<ObjectStore, 'read'>,
  key: string,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  const staged = await objects.read(key, { signal });
  if (!staged) throw notThere();
  return staged.body;
}

export function notThere(): PlatformError {
  return new PlatformError('BUNDLE_UNAVAILABLE', 'the uploaded bytes are not in the object store');
}
