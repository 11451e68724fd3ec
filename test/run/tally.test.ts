import { describe, expect, it } from '@jest/globals';
import type { FileOutcome } from './jest-messages.ts';
import { tallyOf } from './tally.ts';

const outcome = (file: string, changes: Partial<FileOutcome> = {}): FileOutcome => ({
  ...{ file, seconds: 1, passed: 2, skipped: [], failures: [], printed: [] },
  ...changes,
});
const failed = (file: string, test = 'one'): FileOutcome =>
  outcome(file, { passed: 1, failures: [{ test, text: `why ${test}` }] });

describe('the tally of a run', () => {
  it('counts each file by its last try', () => {
    const tally = tallyOf(
      [outcome('a'), failed('b'), failed('c')],
      [outcome('b'), failed('c', 'two')],
      false,
    );
    expect(tally).toEqual({
      passed: 5,
      skipped: [],
      failed: [{ file: 'c', test: 'two', text: 'why two' }],
      flaky: [{ file: 'b', test: 'one', text: 'why one' }],
    });
  });

  it('counts a file as failed that was not tried again', () => {
    expect(tallyOf([failed('a')], [], false).failed).toHaveLength(1);
  });

  it('fails where more than three files are flaky', () => {
    const files = ['a', 'b', 'c', 'd'];
    const of = (some: string[]) =>
      tallyOf(
        some.map((file) => failed(file)),
        some.map((file) => outcome(file)),
        false,
      );
    expect(of(files.slice(1)).failed).toEqual([]);
    expect(of(files)).toMatchObject({ failed: [{ test: 'has few flaky files' }], flaky: { length: 4 } });
  });

  it('fails for what is skipped where nothing may be', () => {
    const first = [outcome('a', { skipped: ['one'] })];
    expect(tallyOf(first, [], true)).toMatchObject({ skipped: ['a › one'], failed: [] });
    expect(tallyOf(first, [], false)).toMatchObject({
      failed: [{ file: 'a › one', test: 'is not skipped' }],
    });
  });
});
