import { archiveLimitExceeded, DEFAULT_BUNDLE_LIMITS } from '../../core/tar/limits.ts';
import type { ArchiveLimits } from '../../core/tar/limits.ts';
import { createEntryNames } from '../../core/tar/entry-names.ts';
import { TAR_BLOCK, encodeTarHeader, tarPadding } from '../../core/tar/header.ts';
import { compressZstd } from './zstd.ts';

export interface PackEntry {
  path: string;
  bytes: Uint8Array;
}

/**
 * A tar.zst of the entries. The same entries, in any order, give the same bytes on any machine; what it makes `unpackTarZst` reads.
 * `level` is zstd's. BUNDLE_CORRUPT or ARCHIVE_LIMIT_EXCEEDED for entries that no reader would take.
 */
export async function packTarZst(
  entries: readonly PackEntry[],
  limits: ArchiveLimits = DEFAULT_BUNDLE_LIMITS,
  level?: number,
): Promise<Uint8Array> {
  if (entries.length > limits.entries) {
    throw archiveLimitExceeded(limits, 'entries', `there are ${entries.length} files`);
  }
  const names = createEntryNames(limits);
  const blocks: Uint8Array[] = [];
  const sorted = entries.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  for (const { path, bytes } of sorted) {
    names.addFile(path);
    if (bytes.length > limits.entryBytes) {
      throw archiveLimitExceeded(limits, 'entryBytes', `${JSON.stringify(path)} has ${bytes.length} bytes`);
    }
    blocks.push(encodeTarHeader(path, bytes.length), bytes, new Uint8Array(tarPadding(bytes.length)));
  }
  blocks.push(new Uint8Array(2 * TAR_BLOCK)); // the end mark
  return compressZstd(Buffer.concat(blocks), level);
}
