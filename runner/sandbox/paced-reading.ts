import type { Readable } from 'node:stream';

/** Time that one stream takes at a stretch. */
const STRETCH_MS = 5;
/** Of the time since the window began, one stream may take a half. */
const SHARE = 1 / 2;
const WINDOW_MS = 100;

/** Hands over each chunk. A stream that takes more than its share of our time rests until it has not, so that the others get their turn. */
export function readPaced(
  stream: Readable,
  take: (chunk: Buffer) => void,
  now: () => number = () => performance.now(),
): void {
  let spent = 0;
  let began = 0;
  stream.on('data', (chunk: Buffer) => {
    const before = now();
    if (before - began > WINDOW_MS) {
      began = before;
      spent = 0;
    }
    take(chunk);
    const after = now();
    spent += after - before;
    const rest = spent / SHARE - (after - began);
    if (spent < STRETCH_MS || rest <= 0) return;
    stream.pause();
    setTimeout(() => stream.resume(), rest);
  });
}
