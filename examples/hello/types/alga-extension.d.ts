// What this extension uses of the platform's world `runner`, as it looks from JavaScript. An error of a `result` is thrown, with
// its case as `payload`.

declare module 'alga:extension/types' {
  export interface HttpHeader {
    name: string;
    value: string;
  }

  export interface HttpRequest {
    method: string;
    /** Path and query below the extension's own root, e.g. `/hello/Ada?lang=en`. */
    url: string;
    headers: HttpHeader[];
    body: Uint8Array | undefined;
  }

  export interface ContextData {
    requestId: string | undefined;
    tenantId: string;
    extensionId: string;
    installId: string | undefined;
    versionId: string | undefined;
  }

  export interface ExecuteRequest {
    context: ContextData;
    http: HttpRequest;
  }

  export interface ExecuteResponse {
    status: number;
    headers: HttpHeader[];
    body: Uint8Array | undefined;
  }
}

declare module 'alga:extension/context' {
  import type { ContextData } from 'alga:extension/types';
  export function getContext(): ContextData;
}

declare module 'alga:extension/context-v2' {
  /** The settings as a JSON object. */
  export function getConfig(): string;
  export function getTrigger(): string;
}

declare module 'alga:extension/logging' {
  export function logInfo(message: string): void;
  export function logWarn(message: string): void;
  export function logError(message: string): void;
}

declare module 'alga:extension/random' {
  /** At most 1 MiB at once. */
  export function getRandomBytes(length: number): Uint8Array;
  export function getRandomU64(): bigint;
}

declare module 'alga:extension/storage' {
  export interface StorageEntry {
    namespace: string;
    key: string;
    value: Uint8Array;
    /** On a put: the revision that was read, 0 if there was none; the put fails with `conflict` if that is no longer so. */
    revision: bigint | undefined;
  }

  /** Throws `missing`, `denied` or `internal`. */
  export function get(namespace: string, key: string): StorageEntry;
  /** Throws `conflict`, `denied` or `internal`. */
  export function put(entry: StorageEntry): StorageEntry;
}
