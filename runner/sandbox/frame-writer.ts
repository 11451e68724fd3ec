import type { Writable } from 'node:stream';
import { encodeFrame, type Frame } from './frame.ts';

/** Writes frames; those of one tick leave in one write, because the wake-up on the other side costs more than the bytes. */
export function createFrameWriter(stream: Writable): (frame: Frame) => void {
  return (frame) => {
    if (stream.writableCorked === 0) {
      stream.cork();
      process.nextTick(() => {
        stream.uncork();
      });
    }
    for (const part of encodeFrame(frame)) stream.write(part);
  };
}
