import { Writable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { readableLine } from './log-text.ts';
import { createLogger, logFormat, type Logger } from './logger.ts';

function readable(write: (logger: Logger) => void): string {
  let json = '';
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      json += chunk.toString();
      done();
    },
  });
  write(createLogger({ level: 'trace', process: 'gateway' }, destination));
  return readableLine(json, { colour: false }) ?? '';
}

describe('a log line for people', () => {
  it('has the time, the level, the process, what happened and its facts', () => {
    const line = readable((logger) =>
      logger.info({ port: 8080, host: '::1', note: 'two words' }, 'gateway listens'),
    );
    expect(line).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} info {2}gateway {11}gateway listens port=8080 host=::1 note="two words"$/,
    );
  });

  it('shows where an error came from, on lines that are indented', () => {
    const [first, second, third] = readable((logger) =>
      logger.error({ err: new TypeError('no such thing') }, 'failed'),
    ).split('\n');
    expect(first).toMatch(/error gateway +failed$/);
    expect(second).toBe('    TypeError: no such thing');
    expect(third).toMatch(/^ {8}at /);
  });

  it('gives a terminal nothing to obey and lets no text pass for a line of its own', () => {
    const hostile = '\u001b]0;owned\u0007\u009b2J\r\n12:00:00.000 info gateway all is well\u202e';
    const line = readable((logger) => logger.warn({ [hostile]: hostile }, hostile));
    // eslint-disable-next-line no-control-regex -- control characters are what it looks for
    expect(line).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    expect(
      line
        .split('\n')
        .slice(1)
        .every((more) => more.startsWith('    ')),
    ).toBe(true);
  });

  it('is none for what the logger did not write', () => {
    for (const other of ['', 'Segmentation fault', '{"level":"info"}', 'null']) {
      expect(readableLine(other, { colour: true })).toBeUndefined();
    }
  });
});

describe('the format of a log', () => {
  it('is text in a terminal and JSON elsewhere, unless a person asks', () => {
    expect(logFormat(undefined, { isTTY: true })).toBe('text');
    expect(logFormat(undefined, {})).toBe('json');
    expect(logFormat('json', { isTTY: true })).toBe('json');
    expect(logFormat('text', {})).toBe('text');
  });
});
