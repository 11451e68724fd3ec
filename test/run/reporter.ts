// Jest loads it by its path. It prints nothing: what it sees goes over IPC to the run, which prints in one place what several processes do.
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import type { Reporter, Test, TestResult } from '@jest/reporters';
import type { FileOutcome, JestMessage } from './jest-messages.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

// When the run is gone, however it ended, so is this process; what its tests have started leaves with it.
process.once('disconnect', () => process.exit(1));
process.channel?.unref(); // neither this listener nor one of a test keeps a process that is done

const say = (message: JestMessage): void => void process.send?.(message);
const fileOf = (test: Test): string => path.relative(ROOT, test.path);

/** A Jest reporter. */
// eslint-disable-next-line import-x/no-default-export -- Jest takes the default export
export default class RunReporter implements Pick<
  Reporter,
  'onTestFileStart' | 'onTestCaseStart' | 'onTestFileResult'
> {
  onTestFileStart(test: Test): void {
    say({ kind: 'file-started', file: fileOf(test) });
  }

  onTestCaseStart(test: Test, { fullName }: { fullName: string }): void {
    say({ kind: 'test-started', file: fileOf(test), test: fullName });
  }

  onTestFileResult(test: Test, result: TestResult): void {
    say({ kind: 'file-ended', outcome: outcomeOf(fileOf(test), result) });
  }
}

function outcomeOf(
  file: string,
  { perfStats, testResults, testExecError, console }: TestResult,
): FileOutcome {
  const failed = testResults.filter(({ status }) => status === 'failed');
  const failures = failed.map(({ fullName, failureMessages }) => ({
    test: fullName,
    text: stripVTControlCharacters(failureMessages.join('\n')),
  }));
  if (testExecError) {
    const text = testExecError.stack ?? testExecError.message;
    failures.push({ test: '(the file as a whole)', text: stripVTControlCharacters(text) });
  }
  return {
    file,
    seconds: (perfStats.end - perfStats.start) / 1000,
    passed: testResults.filter(({ status }) => status === 'passed').length,
    skipped: testResults.filter(({ status }) => isPassedOver(status)).map(({ fullName }) => fullName),
    failures,
    printed: (console ?? []).map(({ message }) => message),
  };
}

function isPassedOver(status: string): boolean {
  return status !== 'passed' && status !== 'failed';
}
