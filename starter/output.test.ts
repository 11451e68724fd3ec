import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createOutput, type OutputStream } from './output.ts';

const CLEAR = '\r\u001b[2K';
const gateway =
  '{"level":"info","time":"2026-01-01T10:00:00.000Z","process":"gateway","port":8080,"msg":"gateway listens"}';

function setup(stream: Partial<OutputStream>, format: 'json' | 'text') {
  let written = '';
  const listeners: string[] = [];
  const output = createOutput(
    {
      write: (text) => (written += text),
      on: (event) => listeners.push(event),
      ...stream,
    },
    format,
  );
  return { output, listeners, written: () => written };
}

/** What stands in a terminal's lines in the end. */
function onScreen(written: string): string[] {
  return written.split('\n').map((line) => line.split(CLEAR).at(-1) ?? '');
}

describe('what npm start says', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('is lines for people in a terminal, the roles among them', () => {
    const { output, written } = setup({ isTTY: true }, 'text');
    output.log('The platform runs.', { lines: ['  gateway  http://…'], fields: { gateway: 'http://…' } });
    output.echo('gateway', gateway);
    output.echo('runner', 'Segmentation \u001b[31mfault');
    expect(written().split('\n')).toEqual([
      'The platform runs.',
      '  gateway  http://…',
      expect.stringMatching(/^\d\d:00:00\.000 info {2}gateway {11}gateway listens port=8080$/),
      'runner: Segmentation \\u001b[31mfault',
      '',
    ]);
  });

  it('is JSON, line by line, where it is not for people', () => {
    const { output, written } = setup({ isTTY: true }, 'json');
    output.log('The platform runs.', { lines: ['  gateway  http://…'], fields: { gateway: 'http://…' } });
    output.echo('gateway', gateway);
    output.echo('runner', 'Segmentation fault');
    const lines = written().trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { level: 'info', process: 'starter', msg: 'The platform runs.', gateway: 'http://…' },
      { process: 'gateway', msg: 'gateway listens', port: 8080 },
      { level: 'info', process: 'runner', msg: 'Segmentation fault' },
    ]);
  });

  it('shows in a terminal what is under way and for how long, below the lines and within one', async () => {
    const { output, written } = setup({ isTTY: true, columns: 60 }, 'text');
    const ends = Promise.withResolvers<undefined>();
    const work = output.during('compiling the Temporal CLI', () => ends.promise);
    await jest.advanceTimersByTimeAsync(83_000);
    expect(onScreen(written()).at(-1)).toBe('compiling the Temporal CLI (1 min 23 s)');
    output.log('a line');
    expect(onScreen(written()).slice(-2)).toEqual(['a line', 'compiling the Temporal CLI (1 min 23 s)']);
    const more = output.during('another thing that takes its time', () => ends.promise);
    expect(onScreen(written()).at(-1)).toHaveLength(59);
    ends.resolve(undefined);
    await Promise.all([work, more]);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(onScreen(written())).toEqual(['a line', '']);
  });

  it('says in the end no more of what was given up', () => {
    const { output, written } = setup({ isTTY: true }, 'text');
    void output.during('starting PostgreSQL', () => Promise.withResolvers<undefined>().promise);
    void output.during('starting Temporal', () => Promise.withResolvers<undefined>().promise);
    expect(onScreen(written()).at(-1)).toBe('starting Temporal (0 s), starting PostgreSQL (0 s)');
    output.close();
    output.log('nothing runs');
    jest.advanceTimersByTime(5_000);
    expect(onScreen(written())).toEqual(['nothing runs', '']);
  });

  it.each(['json', 'text'] as const)(
    'reminds of what takes long in a file of %s, with nothing that only a terminal knows',
    async (format) => {
      const { output, written } = setup({}, format);
      const ends = Promise.withResolvers<undefined>();
      const work = output.during('compiling the Temporal CLI', () => ends.promise);
      await jest.advanceTimersByTimeAsync(65_000);
      ends.resolve(undefined);
      await work;
      await jest.advanceTimersByTimeAsync(65_000);
      for (const control of ['\r', '\u001b']) expect(written()).not.toContain(control);
      expect(written().match(/still compiling the Temporal CLI \((30 s|1 min 0 s)\)/g)).toHaveLength(2);
    },
  );

  it('is not the end of what runs when nobody takes it any more', () => {
    expect(setup({}, 'text').listeners).toContain('error');
  });
});
