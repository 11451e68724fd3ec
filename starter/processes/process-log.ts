import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { openLogFile } from './log-file.ts';

/** A log grows to this size, and one older one is kept. */
const MAX_BYTES = 10 * 1024 ** 2;
const TAIL_LINES = 20;
/** What a process wrote before it ended is read within this; what it left running may hold its output open for ever. */
const LAST_WORDS_MS = 1_000;

export interface ProcessLog {
  readonly file: string;
  take(stream: Readable | null): void;
  /** The last lines of this run. */
  tail(): string;
  /** When the streams have ended: the last of what was said is in the file. */
  close(): Promise<void>;
}

export function openProcessLog({
  file,
  echo,
}: {
  file: string;
  echo: ((line: string) => void) | undefined;
}): ProcessLog {
  const sink = openLogFile({ file, maxBytes: MAX_BYTES, onFault: (line) => echo?.(line) });
  const last: string[] = [];
  const reading = new Set<Promise<void>>();
  let closed = false;
  return {
    file,
    take(stream) {
      if (!stream) return;
      const lines = createInterface({ input: stream });
      lines.on('line', (line) => {
        if (!closed) sink.write(line);
        last.push(line);
        if (last.length > TAIL_LINES) last.shift();
        echo?.(line);
      });
      const ended = new Promise<void>((resolve) => lines.once('close', resolve)).finally(() =>
        reading.delete(ended),
      );
      reading.add(ended);
    },
    tail: () => last.join('\n'),
    async close() {
      const waited = new AbortController();
      await Promise.race([
        Promise.all(reading),
        delay(LAST_WORDS_MS, undefined, { signal: waited.signal }).catch(() => undefined), // they ended first
      ]);
      waited.abort();
      closed = true;
      sink.close();
    },
  };
}
