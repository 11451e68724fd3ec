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
