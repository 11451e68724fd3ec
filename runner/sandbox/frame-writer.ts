import type { Writable } from 'node:stream';

/** Writes the parts of frames; those of one tick leave in one write, because the wake-up on the other side costs more than the bytes. */
export function createFrameWriter(stream: Writable): (frame: readonly Uint8Array[]) => void {
  return (frame) => {
    if (stream.writableCorked === 0) {
      stream.cork();
      process.nextTick(() => {
        stream.uncork();
      });
    }
    for (const part of frame) stream.write(part);
  };
}
