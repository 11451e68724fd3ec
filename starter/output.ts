import { createLogger, type LogFormat, type Logger } from '../platform/logger.ts';
import { printable, readableLine } from '../platform/log-text.ts';

export interface Output {
  /** A line of the starter's own; for people with more lines below it, for programs with fields beside it. */
  log: (line: string, more?: { lines: readonly string[]; fields: Readonly<Record<string, unknown>> }) => void;
  /** What a role wrote. */
  echo: (role: string, line: string) => void;
  /** Shows that this is under way, and for how long, until it has ended. */
  during: <T>(what: string, work: () => Promise<T>) => Promise<T>;
  /** Shows no more of what is under way: it was given up. */
  close: () => void;
}

/** A terminal, or a file or pipe. */
export interface OutputStream {
  write(text: string): unknown;
  on(event: 'error', listener: () => void): unknown;
  isTTY?: boolean | undefined;
  columns?: number | undefined;
  hasColors?: () => boolean;
}

const REDRAW_MS = 1_000;
const REMIND_MS = 30_000;
const START_OF_LINE = '\r\u001b[2K';

/** Everything that `npm start` says goes through one of these, so that what changes in place and what is written do not mix. */
export function createOutput(stream: OutputStream, format: LogFormat): Output {
  // A terminal that is closed or a file on a full disk is no reason to stop what runs; the roles' lines are in their logs.
  stream.on('error', () => undefined);
  const inPlace = format === 'text' && stream.isTTY === true;
  const underWay = new Map<string, number>();
  const json = (process: string): Logger =>
    createLogger({ level: 'info', process }, { write: (line) => void stream.write(line) });
  const own = json('starter');
  let redraw: NodeJS.Timeout | undefined;

  const status = (): string => {
    // The newest first: it says most, and a narrow terminal cuts the end off.
    const steps = [...underWay]
      .toReversed()
      .map(([what, since]) => `${what} (${elapsed(since)})`)
      .join(', ');
    return steps.slice(0, Math.max(0, (stream.columns ?? 80) - 1));
  };
  let closed = false;
  const draw = (): void => {
    if (inPlace && underWay.size > 0 && !closed) stream.write(`${START_OF_LINE}${status()}`);
  };
  const print = (line: string): void => {
    stream.write(
      inPlace && underWay.size > 0 && !closed ? `${START_OF_LINE}${line}\n${status()}` : `${line}\n`,
    );
  };
  const log: Output['log'] = (line, { lines, fields } = { lines: [], fields: {} }) => {
    if (format === 'json') {
      own.info(fields, line);
      return;
    }
    // The last words of a role are among the lines of an error.
    const readable = line.split('\n').map((part) => readableLine(part, { colour: false }) ?? part);
    print([printable(readable.join('\n')), ...lines].join('\n'));
  };

  return {
    log,
    echo(role, line) {
      const readable = readableLine(line, { colour: inPlace && stream.hasColors?.() === true });
      if (format === 'text') print(readable ?? `${role}: ${printable(line)}`);
      else if (readable === undefined) json(role).info(line);
      else stream.write(`${line}\n`);
    },
    close() {
      if (inPlace && underWay.size > 0) stream.write(START_OF_LINE);
      closed = true;
    },
    async during(what, work) {
      const since = performance.now();
      const reminder = setInterval(() => {
        if (!inPlace) log(`still ${what} (${elapsed(since)})`);
      }, REMIND_MS);
      underWay.set(what, since);
      redraw ??= inPlace ? setInterval(draw, REDRAW_MS) : undefined;
      draw();
      try {
        return await work();
      } finally {
        clearInterval(reminder);
        underWay.delete(what);
        if (inPlace && !closed) stream.write(START_OF_LINE);
        draw();
        if (underWay.size === 0) {
          clearInterval(redraw);
          redraw = undefined;
        }
      }
    },
  };
}

function elapsed(since: number): string {
  const seconds = Math.round((performance.now() - since) / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
