import { isWire, restore, toWire, type WireValue } from './wire-value.ts';

/** Kinds of message between supervisor and sandbox. The number is on the wire. */
export const FRAME = {
  // supervisor → sandbox
  load: 1,
  execute: 2,
  reply: 3,
  // sandbox → supervisor
  ready: 16,
  loaded: 17,
  outcome: 18,
  call: 19,
  output: 20,
} as const;

/** `id` belongs to the sender's own count: of loads, executions or host calls, as `type` says. */
export interface Frame {
  type: number;
  id: number;
  head: WireValue;
}

// u32 length of what follows | u8 type | u32 id | u32 length of the head | head as JSON | blobs
const LENGTH_BYTES = 4;
const FIXED_BYTES = 9;

/** The parts of one frame, ready to be written in order. Bytes inside the head are passed on, not copied. */
export function encodeFrame(frame: Frame): Uint8Array[] {
  const blobs: Uint8Array[] = [];
  const head = Buffer.from(JSON.stringify(toWire(frame.head, blobs)));
  const blobBytes = blobs.reduce((sum, blob) => sum + blob.byteLength, 0);
  const start = Buffer.allocUnsafe(LENGTH_BYTES + FIXED_BYTES);
  start.writeUInt32BE(FIXED_BYTES + head.byteLength + blobBytes, 0);
  start.writeUInt8(frame.type, 4);
  start.writeUInt32BE(frame.id, 5);
  start.writeUInt32BE(head.byteLength, 9);
  return [start, head, ...blobs];
}

/** The other side broke the protocol; whoever reads from it closes it. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}

function decodeFrame(bytes: Buffer): Frame {
  const headLength = bytes.readUInt32BE(5);
  if (headLength > bytes.byteLength - FIXED_BYTES) throw new FrameError('head longer than its frame');
  const headEnd = FIXED_BYTES + headLength;
  let parsed: unknown;
  try {
    parsed = JSON.parse(bytes.toString('utf8', FIXED_BYTES, headEnd));
  } catch {
    throw new FrameError('head is not JSON'); // the parser's own words quote it
  }
  const wire = isWire(parsed) ? restore(parsed, bytes.subarray(headEnd)) : undefined;
  if (wire === undefined)
    throw new FrameError('head has a marker that points nowhere, or is nested too deep');
  return { type: bytes.readUInt8(0), id: bytes.readUInt32BE(1), head: wire.value };
}

/**
 * Gathers frames from chunks of any size. Answers those completed by the chunk; bytes in them are views on it.
 * Throws FrameError for a frame over `maxBytes` before any of it is kept.
 */
export function createFrameReader(maxBytes: number): (chunk: Buffer) => Frame[] {
  let parts: Buffer[] = [];
  let held = 0;
  let wanted = LENGTH_BYTES;
  let inFrame = false;

  const take = (): Buffer => {
    const [first] = parts;
    const joined = first !== undefined && parts.length === 1 ? first : Buffer.concat(parts, held);
    const taken = joined.subarray(0, wanted);
    held -= wanted;
    parts = held > 0 ? [joined.subarray(wanted)] : [];
    return taken;
  };

  return (chunk) => {
    const frames: Frame[] = [];
    parts.push(chunk);
    held += chunk.byteLength;
    while (held >= wanted) {
      const bytes = take();
      if (inFrame) {
        frames.push(decodeFrame(bytes));
        wanted = LENGTH_BYTES;
      } else {
        wanted = bytes.readUInt32BE(0);
        if (wanted < FIXED_BYTES || wanted > maxBytes) throw new FrameError(`a frame of ${wanted} bytes`);
      }
      inFrame = !inFrame;
    }
    return frames;
  };
}
