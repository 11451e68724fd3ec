/** Reads a stream of chunks in the sizes a format asks for, holding at most one chunk. */
export interface ByteReader {
  /** Exactly `size` bytes, or undefined if the stream ends before. */
  exactly(size: number): Promise<Uint8Array | undefined>;
  /** The next piece of at most `max` bytes; undefined at the end. */
  upTo(max: number): Promise<Uint8Array | undefined>;
  /** Ends the source; harmless when it has ended. */
  close(): Promise<void>;
}

export function createByteReader(source: AsyncIterable<Uint8Array>): ByteReader {
  const iterator = source[Symbol.asyncIterator]();
  let chunk: Uint8Array = new Uint8Array();

  async function upTo(max: number): Promise<Uint8Array | undefined> {
    while (chunk.length === 0) {
      const next = await iterator.next();
      if (next.done === true) return undefined;
      chunk = next.value;
    }
    const piece = chunk.subarray(0, max);
    chunk = chunk.subarray(piece.length);
    return piece;
  }

  return {
    upTo,
    async exactly(size) {
      const bytes = new Uint8Array(size);
      let filled = 0;
      while (filled < size) {
        const piece = await upTo(size - filled);
        if (piece === undefined) return undefined;
        bytes.set(piece, filled);
        filled += piece.length;
      }
      return bytes;
    },
    async close() {
      await iterator.return?.();
    },
  };
}
