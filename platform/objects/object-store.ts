import type { DirectUploads } from './direct-uploads.ts';

/** A chunk may be overwritten or gone once the next is asked for. */
export type ByteSource = Uint8Array | AsyncIterable<Uint8Array>;

export interface PutOptions {
  signal?: AbortSignal;
}

export interface PutOnceOptions extends PutOptions {
  /** Hex sha256 and length of the bytes; a write that turns out different stores nothing. */
  sha256: string;
  size: number;
}

export interface ReadOptions {
  signal?: AbortSignal;
  /** From the byte `start` to before the byte `end`, of those that there are. */
  range?: { start: number; end: number };
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
  /** Undefined if there is no such object. With `range` only those bytes of it, which `size` then counts. */
  read(key: string, options?: ReadOptions): Promise<StoredObject | undefined>;
  /** Writes or overwrites; readers never see part of an object. Answers the number of bytes written. */
  put(key: string, source: ByteSource, options?: PutOptions): Promise<number>;
  /** Writes if absent. If present, succeeds only when the stored bytes have the same sha256. */
  putOnce(key: string, source: ByteSource, options: PutOnceOptions): Promise<void>;
  /**
   * Makes `to` what `from` is now, whole and at once, without the bytes passing this process; what is written to `from` later does not
   * change it. False if there is nothing to copy.
   */
  copy(from: string, to: string): Promise<boolean>;
  /** The same where nothing may be replaced. If `to` is present, succeeds only when its bytes have the same sha256. */
  copyOnce(from: string, to: string, bytes: Omit<PutOnceOptions, 'signal'>): Promise<boolean>;
  /** Nothing to remove is no error. */
  remove(key: string): Promise<void>;
  /** Every object whose key begins so; `prefix` ends in "/". One that comes or goes meanwhile may be left out. */
  list(prefix: string): AsyncIterable<ListedObject>;
  /**
   * Removes what writes of such keys left behind that began before then and were cut off; it was never an object. Answers how much it was,
   * with `dryRun` without removing it.
   */
  removeUnfinished(prefix: string, options: { before: Date; dryRun: boolean }): Promise<number>;
  /** Absent in a store that clients cannot reach themselves. */
  readonly direct?: DirectUploads;
  /** Endpoint and bucket, or folder: for messages. */
  describe(): string;
}
