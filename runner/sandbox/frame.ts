import { hasTooManyValues } from './json-values.ts';
import { isWire, restore, toWire, type WireValue } from './wire-value.ts';

/** Kinds of message between supervisor and sandbox. The number is on the wire. */
export const FRAME = {
  // supervisor → sandbox
  load: 1,
  execute: 2,
  reply: 3,
  unload: 4,
  ping: 5,
  show: 6,
  // sandbox → supervisor
  ready: 16,
  loaded: 17,
  outcome: 18,
  call: 19,
  output: 20,
  pong: 21,
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
export function encodeFrame(frame: Frame): [start: Uint8Array, head: Uint8Array, ...blobs: Uint8Array[]] {
  const blobs: Uint8Array[] = [];
  const head = Buffer.from(JSON.stringify(toWire(frame.head, blobs)));
  let blobBytes = 0;
  for (const blob of blobs) blobBytes += blob.byteLength;
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

/** What is known of a frame before any of it is kept. */
export interface FrameStart {
  type: number;
  id: number;
  headBytes: number;
  blobBytes: number;
}

/** Whether a frame is read; if not, its bytes are let go as they come. Throws FrameError for one that may not be. */
export type AdmitFrame = (start: FrameStart) => boolean;

function decodeFrame({ type, id, headBytes }: FrameStart, bytes: Buffer, maxValues: number): Frame {
  const head = bytes.subarray(0, headBytes);
  if (hasTooManyValues(head, maxValues)) throw new FrameError(`a head of more than ${maxValues} values`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(head.toString('utf8'));
  } catch {
    throw new FrameError('head is not JSON'); // the parser's own words quote it
  }
  const wire = isWire(parsed) ? restore(parsed, bytes.subarray(headBytes)) : undefined;
  if (wire === undefined)
    throw new FrameError('head has a marker that points nowhere, or is nested too deep');
  return { type, id, head: wire.value };
}

function decodeStart(bytes: Buffer): FrameStart {
  const length = bytes.readUInt32BE(0);
  const headBytes = bytes.readUInt32BE(9);
  if (length < FIXED_BYTES) throw new FrameError(`a frame of ${length} bytes`);
  const blobBytes = length - FIXED_BYTES - headBytes;
  if (blobBytes < 0) throw new FrameError('head longer than its frame');
  return { type: bytes.readUInt8(4), id: bytes.readUInt32BE(5), headBytes, blobBytes };
}

/** Gathers frames from chunks of any size. Hands over each that the chunk completes, and of how many bytes; those in it are views on it. */
export function createFrameReader(
  admit: AdmitFrame,
  maxValues = Infinity,
): (chunk: Buffer, receive: (frame: Frame, bytes: number) => void) => void {
  let parts: Buffer[] = [];
  let held = 0;
  let start: FrameStart | undefined; // of the frame whose rest is awaited
  let wanted = LENGTH_BYTES + FIXED_BYTES;
  let isSkipped = false;

  const take = (): Buffer => {
    const [first] = parts;
    const joined = first !== undefined && parts.length === 1 ? first : Buffer.concat(parts, held);
    const taken = joined.subarray(0, wanted);
    held -= wanted;
    parts = held > 0 ? [joined.subarray(wanted)] : [];
    return taken;
  };
  const begin = (next: FrameStart | undefined): void => {
    start = next;
    wanted = next === undefined ? LENGTH_BYTES + FIXED_BYTES : next.headBytes + next.blobBytes;
    isSkipped = next !== undefined && !admit(next);
  };

  return (chunk, receive) => {
    parts.push(chunk);
    held += chunk.byteLength;
    while (held >= wanted) {
      const bytes = take();
      const ended = start;
      const wasSkipped = isSkipped;
      begin(ended === undefined ? decodeStart(bytes) : undefined);
      if (ended !== undefined && !wasSkipped) receive(decodeFrame(ended, bytes, maxValues), bytes.byteLength);
    }
    if (isSkipped) {
      wanted -= held;
      held = 0;
      parts = [];
    }
  };
}
