/** A request that whoever knows it may send until it expires. A secret: it never goes to a log, nor to a history. */
export interface PresignedPut {
  url: string;
  /** That it must have; beside the length, which a client's HTTP library sets. */
  headers: Record<string, string>;
}

/** A part of an object that has arrived; `number` from 1. */
export interface StoredPart {
  number: number;
  /** Bytes. */
  size: number;
  etag: string;
}

export interface PresignOptions {
  /** Bytes: a body of another length is refused by the store. */
  size: number;
  expiresInSeconds: number;
}

/**
 * Uploads that clients send to the store themselves, in one request or in parts. Throws OBJECT_STORE_UNAVAILABLE.
 */
export interface DirectUploads {
  presignPut(key: string, options: PresignOptions & { contentType: string }): Promise<PresignedPut>;
  /** Begins an upload in parts and answers what the store calls it. It is no object until it is completed. */
  beginParts(key: string, options: { contentType: string }): Promise<string>;
  presignPart(
    key: string,
    storeUploadId: string,
    part: PresignOptions & { number: number },
  ): Promise<PresignedPut>;
  /** In the order of their numbers; undefined if the upload was completed, was abandoned, or never began. */
  listParts(key: string, storeUploadId: string): Promise<StoredPart[] | undefined>;
  /** Makes an object of these parts, which may be repeated. False if the upload is no more, or a part is not as it is said to be. */
  completeParts(
    key: string,
    storeUploadId: string,
    parts: readonly Pick<StoredPart, 'number' | 'etag'>[],
  ): Promise<boolean>;
  /** Removes the parts of every upload to this key that was not completed. Nothing to remove is no error. */
  abandonParts(key: string): Promise<void>;
  /** Bytes; undefined if there is no such object. */
  sizeOf(key: string): Promise<number | undefined>;
}
