import { PlatformError } from '../errors.ts';

const MAGIC = 0xfd2fb528;
/** Magic number and frame header descriptor. */
const START_BYTES = 5;
const BLOCK_HEADER_BYTES = 3;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;
const RLE_BLOCK = 1;
const RESERVED_BLOCK = 3;

export interface ZstdFrameGuard {
  /** Looks at compressed bytes on their way to the decoder. BUNDLE_CORRUPT at the first byte outside the one frame. */
  push(chunk: Uint8Array): void;
  /** BUNDLE_CORRUPT unless the frame is complete. */
  end(): void;
}

/**
 * Holds compressed bytes to exactly one zstd frame. Node's decoder reads over a second frame and over trailing bytes without a
 * word; what some readers see and others do not must not be in a bundle. Follows the structure only: RFC 8878, section 3.1.1.
 */
export function createZstdFrameGuard(): ZstdFrameGuard {
  const header = new Uint8Array(START_BYTES);
  let gathered = 0;
  let needed = START_BYTES;
  let skip = 0; // bytes of content to step over before the next header
  let hasChecksum = false;
  let isLast = false;

  function readStart(): void {
    const view = new DataView(header.buffer);
    if (view.getUint32(0, true) !== MAGIC) throw corrupt('it does not begin with a zstd frame');
    const descriptor = view.getUint8(4);
    if ((descriptor & 0b1000) !== 0 || (descriptor & 0b11) !== 0) {
      throw corrupt('the zstd frame uses a dictionary or a reserved bit');
    }
    const isSingleSegment = (descriptor & 0b10_0000) !== 0;
    const contentSize = CONTENT_SIZE_BYTES[(descriptor >> 6) as 0 | 1 | 2 | 3];
    hasChecksum = (descriptor & 0b100) !== 0;
    // Without the single-segment flag one byte gives the window; with it, the content size has at least one byte.
    skip = isSingleSegment ? Math.max(contentSize, 1) : contentSize + 1;
    needed = BLOCK_HEADER_BYTES;
  }

  function readBlockHeader(): void {
    const bits = (header[0] ?? 0) | ((header[1] ?? 0) << 8) | ((header[2] ?? 0) << 16);
    const type = (bits >> 1) & 0b11;
    if (type === RESERVED_BLOCK) throw corrupt('the zstd frame has a block of a reserved type');
    isLast = (bits & 1) === 1;
    skip = (type === RLE_BLOCK ? 1 : bits >> 3) + (isLast && hasChecksum ? 4 : 0);
  }

  return {
    push(chunk) {
      let at = 0;
      while (at < chunk.length) {
        if (skip > 0) {
          const step = Math.min(skip, chunk.length - at);
          skip -= step;
          at += step;
          continue;
        }
        if (isLast) throw corrupt('there are bytes after the end of the zstd frame');
        header[gathered] = chunk[at] ?? 0;
        gathered += 1;
        at += 1;
        if (gathered < needed) continue;
        gathered = 0;
        if (needed === START_BYTES) readStart();
        else readBlockHeader();
      }
    },
    end() {
      if (!isLast || skip > 0) throw corrupt('the zstd frame is cut off');
    },
  };
}

function corrupt(message: string): PlatformError {
  return new PlatformError('BUNDLE_CORRUPT', `not a bundle: ${message}`);
}
