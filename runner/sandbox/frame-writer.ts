import type { Writable } from 'node:stream';

/**
 * Writes frames; those of one turn of the event loop leave in one write, because the wake-up on the other side costs more than the
 * bytes. A turn and no tick: each request that has come is read in a tick of its own.
 */
export function createFrameWriter(stream: Writable): (frame: readonly Uint8Array[]) => void {
  return (frame) => {
    if (stream.writableCorked === 0) {
      stream.cork();
      setImmediate(() => stream.uncork());
    }
    for (const part of frame) stream.write(part);
  };
}
