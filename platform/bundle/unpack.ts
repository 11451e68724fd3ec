import { PlatformError } from '../../core/errors.ts';
import { archiveFault } from '../../core/tar/archive-fault.ts';
import { createEntryNames } from '../../core/tar/entry-names.ts';
import { TAR_BLOCK, parseTarHeader, tarPadding } from '../../core/tar/header.ts';
import { archiveLimitExceeded } from '../../core/tar/limits.ts';
import type { ArchiveLimits } from '../../core/tar/limits.ts';
import { MAX_PAX_BYTES, parsePaxPath } from '../../core/tar/pax.ts';
import type { ByteSource } from '../objects/object-store.ts';
import { createByteReader } from './byte-reader.ts';
import type { ByteReader } from './byte-reader.ts';
import { expandZstd } from './zstd.ts';

export interface UnpackedEntry {
  path: string;
  size: number;
  /** Readable once, and only until the next entry is asked for; what is left of it then is skipped. */
  body: AsyncIterable<Uint8Array>;
  /** All of `body` in memory. */
  bytes(): Promise<Uint8Array>;
}

/** Sees every byte of every file on its way, also of those that nobody reads. */
export type WatchContent = (path: string, chunk: Uint8Array) => void;

/**
 * The regular files of a tar.zst, in their order, with memory that does not grow with the archive. Throws BUNDLE_CORRUPT or
 * ARCHIVE_LIMIT_EXCEEDED at the first fault, so nothing may be kept for good before the generator has ended; errors of `source`
 * are passed on as they are.
 *
 * The reader is our own: a library's tar accepts links, devices, pax overrides and twin names, and each of them would have to be
 * switched off and stay off.
 */
export async function* unpackTarZst(
  source: ByteSource,
  limits: ArchiveLimits,
  watch?: WatchContent,
): AsyncGenerator<UnpackedEntry, void, void> {
  const reader = createByteReader(expandZstd(source, limits));
  const names = createEntryNames(limits);
  let entries = 0;
  let longPath: string | undefined;
  try {
    for (;;) {
      const header = parseTarHeader(await required(reader, TAR_BLOCK));
      if (header === undefined) break;
      entries += 1;
      if (entries > limits.entries) {
        throw archiveLimitExceeded(limits, 'entries', 'the archive has too many entries');
      }
      if (header.type === 'pax') {
        if (longPath !== undefined) throw archiveFault('pax_order', 'two pax headers follow each other');
        longPath = parsePaxPath(await paxBody(reader, header.size));
        continue;
      }
      const path = withoutDotSlash(longPath ?? header.path);
      longPath = undefined;
      if (header.type === 'folder') continue; // folders come into being with their files
      names.addFile(path);
      if (header.size > limits.entryBytes) {
        throw archiveLimitExceeded(limits, 'entryBytes', `${JSON.stringify(path)} has ${header.size} bytes`);
      }
      yield* entryOf(reader, path, header.size, watch);
      await paddingOf(reader, header.size);
    }
    if (longPath !== undefined) throw archiveFault('pax_order', 'a pax header has no entry after it');
    await endOfArchive(reader);
  } finally {
    await reader.close();
  }
}

async function* entryOf(
  reader: ByteReader,
  path: string,
  size: number,
  watch: WatchContent | undefined,
): AsyncGenerator<UnpackedEntry, void, void> {
  let left = size;
  async function* body(): AsyncGenerator<Uint8Array, void, void> {
    while (left > 0) {
      const piece = await reader.upTo(left);
      if (piece === undefined)
        throw archiveFault('tar_truncated', `the archive ends within ${JSON.stringify(path)}`, { path });
      left -= piece.length;
      watch?.(path, piece);
      yield piece;
    }
  }
  yield {
    path,
    size,
    body: body(),
    async bytes() {
      if (left !== size) throw new PlatformError('INTERNAL', 'an entry is read once');
      const all = new Uint8Array(size);
      for await (const piece of body()) all.set(piece, size - left - piece.length);
      return all;
    },
  };
  const rest = body();
  while ((await rest.next()).done !== true); // what the consumer left
}

async function required(reader: ByteReader, size: number): Promise<Uint8Array> {
  const bytes = await reader.exactly(size);
  if (bytes === undefined) throw archiveFault('tar_truncated', 'the archive ends without its end mark');
  return bytes;
}

async function paxBody(reader: ByteReader, size: number): Promise<Uint8Array> {
  if (size > MAX_PAX_BYTES) {
    throw archiveFault('pax_size', `a pax header has ${size} bytes; the limit is ${MAX_PAX_BYTES}`);
  }
  const bytes = await required(reader, size);
  await paddingOf(reader, size);
  return bytes;
}

async function paddingOf(reader: ByteReader, size: number): Promise<void> {
  const padding = await required(reader, tarPadding(size));
  if (padding.some((byte) => byte !== 0))
    throw archiveFault('tar_padding', 'there are bytes in the padding of an entry');
}

/** One zero block was read: another must follow, then nothing but the zeros some tars pad with. */
async function endOfArchive(reader: ByteReader): Promise<void> {
  let rest: Uint8Array | undefined = await required(reader, TAR_BLOCK);
  for (; rest !== undefined; rest = await reader.upTo(TAR_BLOCK)) {
    if (rest.some((byte) => byte !== 0))
      throw archiveFault('tar_trailing', 'there are bytes after the end of the archive');
  }
}

/** `tar -C folder .` writes every name with "./" before it. */
function withoutDotSlash(path: string): string {
  return path.startsWith('./') ? path.slice(2) : path;
}
