export type ByteSource = Uint8Array | AsyncIterable<Uint8Array>;

export interface PutOptions {
  signal?: AbortSignal;
}

export interface PutOnceOptions extends PutOptions {
  /** Hex sha256 and length of the bytes; a write that turns out different stores nothing. */
  sha256: string;
  size: number;
}

export interface StoredObject {
  size: number;
  /** Readable once. A body that is never read may hold a connection: ask for an object only to read it. */
  body: AsyncIterable<Uint8Array>;
}

export interface ListedObject {
  key: string;
  modifiedAt: Date;
}

/**
 * Where bundles live. Keys come from `keys.ts` alone.
 * Errors: OBJECT_STORE_UNAVAILABLE (retryable), OBJECT_CONFLICT (a write-once key holds other bytes), BUNDLE_CORRUPT (the bytes are
 * not those announced). What the source throws is passed on, an aborted signal's reason too; neither leaves an object behind.
 */
export interface ObjectStore {
  /** Undefined if there is no such object. */
  read(key: string, options?: { signal?: AbortSignal }): Promise<StoredObject | undefined>;
  /** Writes or overwrites; readers never see part of an object. Answers the number of bytes written. */
  put(key: string, source: ByteSource, options?: PutOptions): Promise<number>;
  /** Writes if absent. If present, succeeds only when the stored bytes have the same sha256. */
  putOnce(key: string, source: ByteSource, options: PutOnceOptions): Promise<void>;
  /** Nothing to remove is no error. */
  remove(key: string): Promise<void>;
  /** Every object whose key begins so; `prefix` ends in "/". One that comes or goes meanwhile may be left out. */
  list(prefix: string): AsyncIterable<ListedObject>;
  /**
   * Removes what writes of such keys left behind that began before then and were cut off; it was never an object. Answers how much it was,
   * with `dryRun` without removing it.
   */
  removeUnfinished(prefix: string, options: { before: Date; dryRun: boolean }): Promise<number>;
  /** Endpoint and bucket, or folder: for messages. */
  describe(): string;
}
