import { PlatformError } from '../../core/errors.ts';
import { PART_BYTES, partsOf, sortParts } from '../../core/upload-parts.ts';
import type { Upload, UploadMethod } from '../../platform/db/uploads.ts';
import type { DirectUploads } from '../../platform/objects/direct-uploads.ts';
import type { ObjectKeys, StagedUpload } from '../../platform/objects/keys.ts';
import type { ObjectStore } from '../../platform/objects/object-store.ts';

/** What is as large as a part comes in one request. */
const SINGLE_BYTES = PART_BYTES;
/** Long enough for a part over a slow line; reading the upload gives fresh ones. */
const URL_LIFETIME_S = 60 * 60;
/** Unless it was announced to be another. */
const CONTENT_TYPE = 'application/zstd';

type UploadToSend = Pick<Upload, 'transfer' | 'announcedSize' | 'contentType' | 'expiresAt'>;

/** What is to be sent, and where; `parts` of an upload in one request is one. */
export interface Offer {
  parts: { number: number; url: string }[];
  receivedParts: { number: number; size: number; etag?: string }[];
  headers?: Record<string, string>;
  partSize?: number;
  urlsExpireAt: Date;
}

export interface DirectUpload {
  /** Throws UPLOAD_METHOD_UNAVAILABLE. */
  begin(
    upload: StagedUpload,
    announced: Pick<Upload, 'announcedSize' | 'contentType'>,
  ): Promise<UploadMethod>;
  /** Removes what came to nothing. */
  abandon(upload: StagedUpload): Promise<void>;
  /** What has arrived, and presigned URLs for what has not; of an upload that has just begun the store is not asked. Throws UPLOAD_CLOSED. */
  offer(upload: StagedUpload, row: UploadToSend, isNew: boolean): Promise<Offer>;
}

/** Uploads whose bytes a publisher sends to the object store itself. */
export function createDirectUpload(
  objects: Pick<ObjectStore, 'direct'>,
  keys: Pick<ObjectKeys, 'staging'>,
): DirectUpload {
  function store(): DirectUploads {
    if (objects.direct) return objects.direct;
    throw new PlatformError(
      'UPLOAD_METHOD_UNAVAILABLE',
      'this platform keeps bundles where clients cannot send them; begin the upload with "method": "proxy" and send the bytes through upload-proxy',
    );
  }

  return {
    async begin(upload, { announcedSize, contentType = CONTENT_TYPE }) {
      const direct = store();
      if (announcedSize <= SINGLE_BYTES) return { method: 'single' };
      const storeUploadId = await direct.beginParts(keys.staging(upload), { contentType });
      return { method: 'multipart', partSize: PART_BYTES, storeUploadId };
    },

    async abandon(upload) {
      await objects.direct?.abandonParts(keys.staging(upload));
    },

    async offer(upload, { transfer, announcedSize, contentType = CONTENT_TYPE, expiresAt }, isNew) {
      const direct = store();
      const key = keys.staging(upload);
      const left = Math.floor((expiresAt.getTime() - Date.now()) / 1000);
      const expiresInSeconds = Math.max(1, Math.min(URL_LIFETIME_S, left));
      const urlsExpireAt = new Date(Date.now() + expiresInSeconds * 1000);
      if (transfer.method !== 'multipart') {
        const { url, headers } = await direct.presignPut(key, {
          ...{ size: announcedSize, expiresInSeconds },
          contentType,
        });
        const size = isNew ? undefined : await direct.sizeOf(key);
        if (size === announcedSize)
          return { parts: [], receivedParts: [{ number: 1, size }], headers, urlsExpireAt };
        return { parts: [{ number: 1, url }], receivedParts: [], headers, urlsExpireAt };
      }
      const { partSize, storeUploadId } = transfer;
      const wanted = partsOf(announcedSize, partSize);
      const stored = isNew ? [] : await direct.listParts(key, storeUploadId);
      if (stored === undefined && (await direct.sizeOf(key)) !== announcedSize) throw partsGone();
      // Undefined once they are joined.
      const { received, missing } = sortParts(wanted, stored ?? wanted);
      const parts = await Promise.all(
        missing.map(async ({ number, size }) => {
          const { url } = await direct.presignPart(key, storeUploadId, { number, size, expiresInSeconds });
          return { number, url };
        }),
      );
      return { parts, receivedParts: received, partSize, urlsExpireAt };
    },
  };
}

function partsGone(): PlatformError {
  return new PlatformError(
    'UPLOAD_CLOSED',
    'the object store no longer has the parts of this upload; begin a new one',
  );
}
