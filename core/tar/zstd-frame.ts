import { archiveFault, type ArchiveFault } from './archive-fault.ts';

const MAGIC = 0xfd2fb528;
/** Magic number and frame header descriptor. */
const START_BYTES = 5;
const BLOCK_HEADER_BYTES = 3;
/** Window descriptor and frame content size. */
const MOST_SIZES_BYTES = 9;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;
const RLE_BLOCK = 1;
const RESERVED_BLOCK = 3;

/** log2 of the largest window, 8 MiB: the most that browsers and common tools decode; it also bounds our own memory. */
export const WINDOW_LOG = 23;

export interface ZstdFrameGuard {
  /** Looks at compressed bytes on their way to the decoder. BUNDLE_CORRUPT at the first byte outside the one frame. */
  push(chunk: Uint8Array): void;
  /** BUNDLE_CORRUPT unless the frame is complete. */
  end(): void;
}

/**
 * Holds compressed bytes to exactly one zstd frame with a window of at most 8 MiB. Node's decoder reads over a second frame and over
 * trailing bytes without a word; what some readers see and others do not must not be in a bundle. Follows the structure only: RFC 8878,
 * section 3.1.1.
 */
export function createZstdFrameGuard(): ZstdFrameGuard {
  const header = new Uint8Array(MOST_SIZES_BYTES);
  const view = new DataView(header.buffer);
  let gathered = 0;
  let needed = START_BYTES;
  let readHeader = readStart;
  let skip = 0; // bytes of content to step over before the next header
  let isSingleSegment = false;
  let hasChecksum = false;
  let isLast = false;

  function readStart(): void {
    if (view.getUint32(0, true) !== MAGIC) throw fault('zstd_magic', 'it does not begin with a zstd frame');
    const descriptor = view.getUint8(4);
    if ((descriptor & 0b1000) !== 0 || (descriptor & 0b11) !== 0) {
      throw fault('zstd_dictionary', 'the zstd frame uses a dictionary or a reserved bit');
    }
    isSingleSegment = (descriptor & 0b10_0000) !== 0;
    hasChecksum = (descriptor & 0b100) !== 0;
    const contentSize = CONTENT_SIZE_BYTES[(descriptor >> 6) as 0 | 1 | 2 | 3];
    // Without the single-segment flag one byte gives the window; with it, the content size has at least one byte.
    needed = isSingleSegment ? Math.max(contentSize, 1) : contentSize + 1;
    readHeader = readSizes;
  }

  function readSizes(): void {
    const window = isSingleSegment ? contentSizeOf(view, needed) : windowOf(view.getUint8(0));
    if (window > 2 ** WINDOW_LOG) {
      throw fault('zstd_window', `the zstd frame needs a window of ${window} bytes, more than 8 MiB`);
    }
    needed = BLOCK_HEADER_BYTES;
    readHeader = readBlock;
  }

  function readBlock(): void {
    const bits = view.getUint16(0, true) | (view.getUint8(2) << 16);
    const type = (bits >> 1) & 0b11;
    if (type === RESERVED_BLOCK) throw fault('zstd_block', 'the zstd frame has a block of a reserved type');
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
        if (isLast) throw fault('zstd_trailing', 'there are bytes after the end of the zstd frame');
        header[gathered] = chunk[at] ?? 0;
        gathered += 1;
        at += 1;
        if (gathered < needed) continue;
        gathered = 0;
        readHeader();
      }
    },
    end() {
      if (!isLast || skip > 0) throw fault('zstd_truncated', 'the zstd frame is cut off');
    },
  };
}

/** RFC 8878, section 3.1.1.1.2. */
function windowOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 0b111);
}

/** RFC 8878, section 3.1.1.1.4. */
function contentSizeOf(view: DataView, bytes: number): number {
  if (bytes === 1) return view.getUint8(0);
  if (bytes === 2) return view.getUint16(0, true) + 256;
  return bytes === 4 ? view.getUint32(0, true) : Number(view.getBigUint64(0, true));
}

function fault(code: ArchiveFault, message: string): Error {
  return archiveFault(code, `not a bundle: ${message}`);
}
