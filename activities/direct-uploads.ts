import { PlatformError } from '../core/errors.ts';
import { partsOf, sortParts, type SentPart } from '../core/upload-parts.ts';
import type { Upload } from '../platform/db/uploads.ts';
import type { DirectUploads } from '../platform/objects/direct-uploads.ts';
import type { ObjectStore } from '../platform/objects/object-store.ts';

/**
 * Bytes that a publisher sent to the object store, all of those announced; of an upload in parts this makes them one object. May run any
 * number of times. Throws UPLOAD_INCOMPLETE with what is missing, and UPLOAD_MISMATCH.
 */
export async function arrivedSize(
  objects: Pick<ObjectStore, 'direct'>,
  key: string,
  { transfer, announcedSize }: Pick<Upload, 'transfer' | 'announcedSize'>,
  sent: readonly SentPart[] | undefined,
): Promise<number> {
  const { direct } = objects;
  if (!direct) throw new PlatformError('INTERNAL', 'the object store takes no bytes from publishers');
  if (transfer.method === 'multipart') await joinParts(direct, key, { ...transfer, announcedSize }, sent);
  const size = await direct.sizeOf(key);
  if (size === undefined)
    throw incomplete(
      'the bytes have not arrived; send them to the URL of the upload, which reading it gives anew',
    );
  if (size === announcedSize) return size;
  throw mismatch(`${size} bytes arrived and not the ${announcedSize} announced; send them again`);
}

async function joinParts(
  direct: DirectUploads,
  key: string,
  {
    partSize,
    storeUploadId,
    announcedSize,
  }: { partSize: number; storeUploadId: string; announcedSize: number },
  sent: readonly SentPart[] | undefined,
): Promise<void> {
  const stored = await direct.listParts(key, storeUploadId);
  if (stored === undefined) {
    if ((await direct.sizeOf(key)) !== undefined) return; // an attempt before this one has joined them
    throw incomplete('the object store no longer has its parts; begin a new upload');
  }
  const { received, missing } = sortParts(partsOf(announcedSize, partSize), stored);
  if (missing.length > 0) {
    const numbers = missing.map(({ number }) => number).join(', ');
    throw incomplete(
      `of its parts these have not arrived whole: ${numbers}; reading the upload gives their URLs`,
    );
  }
  const other = sent?.find(
    ({ number, etag }) => !received.some((part) => part.number === number && isSame(part.etag, etag)),
  );
  if (other)
    throw mismatch(
      `part ${other.number} is not there with the ETag ${other.etag}; read the upload to see what is`,
    );
  // False: somebody sends parts at this very moment, or another attempt was faster. The size tells.
  await direct.completeParts(key, storeUploadId, received);
}

/** Some clients leave out the quotes of an ETag. */
function isSame(one: string, other: string): boolean {
  const bare = (etag: string): string => etag.replaceAll('"', '');
  return bare(one) === bare(other);
}

function incomplete(message: string): PlatformError {
  return new PlatformError('UPLOAD_INCOMPLETE', message);
}

function mismatch(message: string): PlatformError {
  return new PlatformError('UPLOAD_MISMATCH', message);
}
