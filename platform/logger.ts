import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';
import { readableLine } from './log-text.ts';

export type Logger = PinoLogger;

/** Names that hold secrets wherever they turn up, at the top of a line's fields or one object below. */
const SECRET_NAMES = [
  'authorization',
  'cookie',
  'token',
  'password',
  'secret',
  'secrets',
  'apiKey',
  'privateKey',
  '["x-api-key"]',
  '["x-execution-token"]',
];

export type LogFormat = 'json' | 'text';

/** Text is for people at a terminal, where they did not ask otherwise. */
export function logFormat(asked: string | undefined, { isTTY }: { isTTY?: boolean | undefined }): LogFormat {
  if (asked === 'json' || asked === 'text') return asked;
  return isTTY === true ? 'text' : 'json';
}

export interface LoggerOptions {
  level: string;
  /** Of standard output. */
  format?: LogFormat | undefined;
  /** Which of our processes writes: `gateway`, `runner`, … */
  process: string;
}

/** One per process, made in its main: lines on standard output, or JSON where `destination` says. */
export function createLogger(
  { level, format, process: name }: LoggerOptions,
  destination: DestinationStream | undefined = readableOutput(format),
): Logger {
  const below = SECRET_NAMES.map((secret) => (secret.startsWith('[') ? `*${secret}` : `*.${secret}`));
  const options = {
    level,
    base: { process: name },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: [...SECRET_NAMES, ...below], censor: '[secret]' },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** Undefined where JSON is asked for: pino writes that by itself. */
function readableOutput(format: LogFormat | undefined): DestinationStream | undefined {
  const { stdout } = process;
  if (logFormat(format, stdout) === 'json') return undefined;
  const colour = stdout.isTTY && stdout.hasColors();
  return { write: (line) => void stdout.write(`${readableLine(line, { colour }) ?? line.trimEnd()}\n`) };
}
