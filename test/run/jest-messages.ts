/** What a Jest process says over IPC (`reporter.ts` says it, `jest-process.ts` hears it). */
export type JestMessage =
  | { kind: 'test-started'; file: string; test: string }
  | { kind: 'file-started'; file: string }
  | { kind: 'file-ended'; outcome: FileOutcome };

/** How one test file went; names of files are relative to the root. */
export interface FileOutcome {
  file: string;
  seconds: number;
  passed: number;
  /** Names of tests that were passed over. */
  skipped: string[];
  failures: Failure[];
  /** What its tests printed. */
  printed: string[];
}

export interface Failure {
  /** Its name with those of the groups it is in, or what went wrong apart from any test. */
  test: string;
  text: string;
}
