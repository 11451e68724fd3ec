/** Test files of one kind that are still to be run. */
export interface Pool {
  /** Of `jest.config.js`. */
  project: string;
  files: string[];
  /** Whether they use what prepare.ts makes. */
  needsPrepared: boolean;
  /** Memory of a Jest process grows with each file that it has run, and is given back by its end alone. */
  most: number;
}

/** Takes what one process runs next: many files while there are many, so that Jest starts seldom; few at the end, so that all lanes end together. */
export function takeBatch({ files, most }: Pool, lanes: number): string[] {
  const fair = Math.ceil(files.length / (lanes * 3));
  return files.splice(0, Math.min(most, Math.max(1, fair)));
}
