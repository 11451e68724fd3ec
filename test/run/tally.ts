import type { Failure, FileOutcome } from './jest-messages.ts';

/** More would hide a machine, or a change, that is unwell. */
const FLAKY_FILES_ALLOWED = 3;

export interface Flaky extends Failure {
  file: string;
}

/** What the tests of a run came to: each file once, by its last try. */
export interface Tally {
  passed: number;
  skipped: string[];
  failed: Flaky[];
  /** Failed at first, and passed when their file was run once more, alone. */
  flaky: Flaky[];
}

/** `first` has every file, `second` those that were tried once more. A skipped test fails where none may be skipped. */
export function tallyOf(
  first: readonly FileOutcome[],
  second: readonly FileOutcome[],
  maySkip: boolean,
): Tally {
  const again = new Map(second.map((outcome) => [outcome.file, outcome]));
  const last = first.map((outcome) => again.get(outcome.file) ?? outcome);
  const failuresOf = (outcomes: readonly FileOutcome[]): Flaky[] =>
    outcomes.flatMap(({ file, failures }) => failures.map((failure) => ({ file, ...failure })));
  const hasPassed = (file: string): boolean => again.get(file)?.failures.length === 0;
  const skipped = last.flatMap((outcome) => outcome.skipped.map((test) => `${outcome.file} › ${test}`));
  const flaky = failuresOf(first.filter(({ file }) => hasPassed(file)));
  const flakyFiles = new Set(flaky.map(({ file }) => file)).size;
  const failed = failuresOf(last);
  if (flakyFiles > FLAKY_FILES_ALLOWED) {
    const text = `${flakyFiles} files failed and then passed; ${FLAKY_FILES_ALLOWED} may`;
    failed.push({ file: 'the run', test: 'has few flaky files', text });
  }
  if (!maySkip) {
    failed.push(
      ...skipped.map((name) => ({
        file: name,
        test: 'is not skipped',
        text: 'nothing may be skipped in CI',
      })),
    );
  }
  return { passed: last.reduce((sum, { passed }) => sum + passed, 0), skipped, failed, flaky };
}
