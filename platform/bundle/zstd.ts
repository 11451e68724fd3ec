import { Readable, pipeline } from 'node:stream';
import { promisify } from 'node:util';
import { constants, createZstdDecompress, zstdCompress } from 'node:zlib';
import { isPlatformError } from '../../core/errors.ts';
import { RATIO_FLOOR, archiveLimitExceeded } from '../../core/tar/limits.ts';
import type { ArchiveLimits } from '../../core/tar/limits.ts';
import { archiveFault } from '../../core/tar/archive-fault.ts';
import { createZstdFrameGuard, WINDOW_LOG } from '../../core/tar/zstd-frame.ts';
import type { ByteSource } from '../objects/object-store.ts';

// Every parameter that shapes the output is fixed, so that equal input gives equal bytes on any machine.
const COMPRESS_PARAMS = {
  [constants.ZSTD_c_windowLog]: WINDOW_LOG,
  [constants.ZSTD_c_checksumFlag]: 1,
  [constants.ZSTD_c_contentSizeFlag]: 1,
  [constants.ZSTD_c_nbWorkers]: 0,
};

/** Each piece costs a turn of a thread; larger ones cost memory. */
const EXPANDED_AT_ONCE = 64 * 1024;

const compress = promisify(zstdCompress);

/** For what is packed once and downloaded often. */
const DEFAULT_LEVEL = 12;

/** One zstd frame with a checksum; equal input gives equal bytes at each level. */
export async function compressZstd(bytes: Uint8Array, level = DEFAULT_LEVEL): Promise<Uint8Array> {
  return compress(bytes, { params: { ...COMPRESS_PARAMS, [constants.ZSTD_c_compressionLevel]: level } });
}

/**
 * The expanded bytes of exactly one zstd frame, as they come. BUNDLE_CORRUPT or ARCHIVE_LIMIT_EXCEEDED for the bytes' faults;
 * what `source` throws is passed on as it is.
 */
export async function* expandZstd(source: ByteSource, limits: ArchiveLimits): AsyncGenerator<Uint8Array> {
  const input = { bytes: 0, fault: undefined as { cause: unknown } | undefined };
  const decoder = createZstdDecompress({
    chunkSize: EXPANDED_AT_ONCE,
    params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG },
  });
  // The decoder is destroyed with the input's error and is read below, so the error is met there.
  pipeline(Readable.from(guarded(source, limits, input), { objectMode: false }), decoder, () => undefined);
  let expanded = 0;
  try {
    for await (const chunk of decoder as AsyncIterable<Uint8Array>) {
      expanded += chunk.length;
      assertExpansion(expanded, input.bytes, limits);
      yield chunk;
    }
  } catch (err) {
    if (input.fault !== undefined) throw input.fault.cause;
    if (isPlatformError(err)) throw err;
    throw archiveFault('zstd_data', 'the zstd data cannot be decoded', { cause: err });
  }
}

async function* guarded(
  source: ByteSource,
  limits: ArchiveLimits,
  input: { bytes: number; fault: { cause: unknown } | undefined },
): AsyncGenerator<Uint8Array> {
  const frame = createZstdFrameGuard();
  try {
    for await (const chunk of source instanceof Uint8Array ? [source] : source) {
      input.bytes += chunk.length;
      if (input.bytes > limits.compressedBytes) {
        throw archiveLimitExceeded(limits, 'compressedBytes', 'the compressed archive is too large');
      }
      frame.push(chunk);
      yield chunk;
    }
    frame.end();
  } catch (cause) {
    input.fault = { cause };
    throw cause;
  }
}

function assertExpansion(expanded: number, compressed: number, limits: ArchiveLimits): void {
  if (expanded > limits.expandedBytes) {
    throw archiveLimitExceeded(limits, 'expandedBytes', 'the archive expands to too many bytes');
  }
  if (expanded > RATIO_FLOOR && expanded > compressed * limits.ratio) {
    throw archiveLimitExceeded(limits, 'ratio', `${compressed} bytes expand to more than ${expanded}`);
  }
}
