export {};

/** What the example has no use for. */
declare module 'alga:extension/storage' {
  /** Up to 100 entries after `cursor`, a key. Throws `denied` or `internal`. */
  export function listEntries(namespace: string, cursor: string | undefined): StorageEntry[];
}
