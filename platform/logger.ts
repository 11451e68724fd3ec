import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';

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

export interface LoggerOptions {
  level: string;
  /** Which of our processes writes: `gateway`, `runner`, … */
  process: string;
}

/** JSON lines on standard output, or where `destination` says. One per process, made in its main. */
export function createLogger({ level, process }: LoggerOptions, destination?: DestinationStream): Logger {
  const below = SECRET_NAMES.map((name) => (name.startsWith('[') ? `*${name}` : `*.${name}`));
  const options = {
    level,
    base: { process },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: [...SECRET_NAMES, ...below], censor: '[secret]' },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}
