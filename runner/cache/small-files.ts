import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';

const MAX_FILE_BYTES = 256 * 1024;
const MAX_BYTES = 32 * 1024 * 1024;

/** Whole files in memory whose bytes are those of their bundles: no disk can alter them any more. */
export interface SmallFiles {
  get(path: string): Uint8Array | undefined;
  /** Undefined for a file that is large, is not there, or does not have this sha256. */
  read(path: string, sha256: string): Promise<Uint8Array | undefined>;
}

/** Those used last, up to so many bytes. */
export function createSmallFiles(maxBytes = MAX_BYTES, maxFileBytes = MAX_FILE_BYTES): SmallFiles {
  const kept = new Map<string, Uint8Array>(); // in the order of use
  let total = 0;

  const keep = (path: string, bytes: Uint8Array): void => {
    total += bytes.byteLength - (kept.get(path)?.byteLength ?? 0);
    kept.delete(path);
    kept.set(path, bytes);
    for (const [oldest, { byteLength }] of kept) {
      if (total <= maxBytes) return;
      kept.delete(oldest);
      total -= byteLength;
    }
  };

  return {
    get(path) {
      const bytes = kept.get(path);
      if (bytes) keep(path, bytes);
      return bytes;
    },
    async read(path, sha256) {
      try {
        if ((await stat(path)).size > maxFileBytes) return undefined;
        const bytes = await readFile(path);
        if (bytes.byteLength > maxFileBytes || createHash('sha256').update(bytes).digest('hex') !== sha256)
          return undefined;
        keep(path, bytes);
        return bytes;
      } catch {
        return undefined; // whoever looks for it by its folder finds out why
      }
    },
  };
}
