// The world's functions as the toolchain of QuickJS passes them.

declare module 'alga:extension/random' {
  export function getRandomBytes(length: number): Uint8Array;
}

declare module 'alga:extension/storage' {
  type Entry = { revision: number | undefined } & Record<string, unknown>;
  export function get(namespace: string, key: string): Entry;
  export function put(entry: Entry): Entry;
  export function listEntries(namespace: string, cursor?: string): Entry[];
  function remove(namespace: string, key: string): void;
  export { remove as delete };
}

declare module 'alga:extension/storage-v2' {
  type Fields = Record<string, unknown>;
  type Entry = Fields & { revision: number; expiresAt: number | undefined };
  type NewEntry = Fields & { revision: number | undefined };
  export function get(namespace: string, key: string): Entry;
  export function getMany(namespace: string, keys: string[]): (Entry | undefined)[];
  export function put(namespace: string, entry: NewEntry): number;
  export function putMany(namespace: string, entries: NewEntry[]): Iterable<number>;
  export function listEntries(
    namespace: string,
    prefix: string,
    cursor?: string,
    limit?: number,
  ): { entries: Entry[]; cursor: string | undefined };
  export function increment(
    namespace: string,
    key: string,
    delta: number,
    start?: Fields & { initial: number },
  ): number;
  export function deleteMany(namespace: string, keys: string[]): boolean[];
  function remove(namespace: string, key: string, revision?: number): void;
  export { remove as delete };
}
