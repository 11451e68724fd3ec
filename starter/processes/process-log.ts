import { createWriteStream, existsSync, renameSync, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';

/** A log grows to this size, and one older one is kept. */
const MAX_BYTES = 10 * 1024 ** 2;
const TAIL_LINES = 20;

export interface ProcessLog {
  readonly file: string;
  take(stream: Readable | null): void;
  /** The last lines of this run. */
  tail(): string;
  close(): Promise<void>;
}

export function openProcessLog({
  file,
  echo,
}: {
  file: string;
  echo: ((line: string) => void) | undefined;
}): ProcessLog {
  if (existsSync(file) && statSync(file).size > MAX_BYTES) renameSync(file, `${file}.1`);
  const sink = createWriteStream(file, { flags: 'a', mode: 0o600 });
  const last: string[] = [];
  return {
    file,
    take(stream) {
      if (!stream) return;
      createInterface({ input: stream }).on('line', (line) => {
        if (sink.writable) sink.write(`${line}\n`);
        last.push(line);
        if (last.length > TAIL_LINES) last.shift();
        echo?.(line);
      });
    },
    tail: () => last.join('\n'),
    async close() {
      sink.end();
      await finished(sink);
    },
  };
}
