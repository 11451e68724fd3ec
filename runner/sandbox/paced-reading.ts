import type { Readable } from 'node:stream';

/** Time that one stream takes at a stretch. */
const STRETCH_MS = 5;
/** Work with longer pauses in between is no stretch. */
const PAUSE_MS = 50;

/** Hands over each chunk. A stream that has taken a stretch of our time rests for as long, so that the others get their turn. */
export function readPaced(stream: Readable, take: (chunk: Buffer) => void): void {
  let spent = 0;
  let began = 0;
  stream.on('data', (chunk: Buffer) => {
    const before = performance.now();
    if (before - began > PAUSE_MS) {
      began = before;
      spent = 0;
    }
    take(chunk);
    spent += performance.now() - before;
    if (spent < STRETCH_MS) return;
    stream.pause();
    setTimeout(() => stream.resume(), spent);
    spent = 0;
  });
}
