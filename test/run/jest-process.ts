import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { FileOutcome, JestMessage } from './jest-messages.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const JEST = path.join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
/** A process that has nothing to do and does not end holds something that its last file left open. */
const ENDS_WITHIN_MS = 20_000;
const KEPT_OUTPUT = 20_000;

export interface JestProcessOptions {
  /** Of the configuration, which is the root's unless given. */
  project: string;
  config?: string;
  files: readonly string[];
  environment: NodeJS.ProcessEnv;
  onFile: (outcome: FileOutcome) => void;
  /** Aborted: the process is killed, and what it was at is told as a failure. */
  signal: AbortSignal;
  onTest?: (started: { file: string; test: string }) => void;
  endsWithinMs?: number;
}

/**
 * Runs test files one after the other in a Jest process of their own, which gives back all memory by its end. Answers the files that it
 * did not come to, because it ended early; the file in which that happened is told as failed.
 */
export async function runJestProcess(options: JestProcessOptions): Promise<string[]> {
  const { project, config = 'jest.config.js', files, environment, onFile, signal } = options;
  const { onTest, endsWithinMs = ENDS_WITHIN_MS } = options;
  const child = spawn(
    process.execPath,
    [
      ...['--disable-warning=ExperimentalWarning', '--experimental-vm-modules', JEST],
      ...['--runInBand', '--ci', '--config', config, '--selectProjects', project],
      ...[`--reporters=${path.join(import.meta.dirname, 'reporter.ts')}`, '--runTestsByPath', ...files],
    ],
    { cwd: ROOT, env: environment, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-KEPT_OUTPUT)));
  }

  const ended = new Set<string>();
  let at = { file: files[0] ?? '', test: '(its start)', since: performance.now() };
  let last: FileOutcome | undefined;
  let patience: NodeJS.Timeout | undefined;
  const tell = (): void => {
    if (last) onFile(last);
    last = undefined;
  };
  child.on('message', (message: JestMessage) => {
    if (message.kind === 'file-ended') {
      // Held back until the next file begins, or the process has ended well.
      last = message.outcome;
      ended.add(last.file);
      if (ended.size < files.length) return;
      patience = setTimeout(() => {
        const text = `its process did not end within ${endsWithinMs / 1000} s of its last test: something is left open`;
        last?.failures.push({ test: '(what it leaves)', text });
        child.kill('SIGKILL');
      }, endsWithinMs);
      return;
    }
    tell();
    const test = message.kind === 'test-started' ? message.test : '(loading, or a hook)';
    at = { file: message.file, test, since: performance.now() };
    onTest?.({ file: message.file, test });
  });
  const kill = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', kill);
  const [code, by] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  signal.removeEventListener('abort', kill);
  clearTimeout(patience);

  tell();
  const missing = files.filter((file) => !ended.has(file));
  if (missing.length === 0) return [];
  const file = missing.includes(at.file) ? at.file : (missing[0] ?? at.file);
  const seconds = (performance.now() - at.since) / 1000;
  const how = signal.aborted
    ? `it hung or was still at work, for ${seconds.toFixed(0)} s`
    : `its process ended (${String(by ?? code)}) while it ran\n${output}`;
  onFile({ file, seconds, passed: 0, skipped: [], failures: [{ test: at.test, text: how }], printed: [] });
  return missing.filter((name) => name !== file);
}
