import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { Logger } from '../../platform/logger.ts';
import { readPaced } from './paced-reading.ts';

/** What one sandbox process may write to our log in its life: the runtime's own last words, in practice. */
const MAX_OUTPUT_BYTES = 4 * 1024;

/** Logs what the process itself prints (guests' output comes over the channel), up to a cap; the rest is read and dropped. */
export function captureOutput(child: ChildProcess, logger: Logger): void {
  let left = MAX_OUTPUT_BYTES;
  const capture = (stream: Readable | null | undefined, name: string): void => {
    if (!stream) return; // it did not start
    readPaced(stream, (chunk) => {
      if (left <= 0) return;
      const text = chunk.toString('utf8', 0, left);
      left -= chunk.byteLength;
      logger.warn({ stream: 'sandbox', from: name, pid: child.pid, text }, 'sandbox process wrote');
    });
  };
  capture(child.stdout, 'stdout');
  capture(child.stderr, 'stderr');
}
