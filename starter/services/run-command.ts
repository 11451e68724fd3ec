import { spawn } from 'node:child_process';
import { send } from '../processes/stop-process.ts';

const TAIL_BYTES = 4_000;
/** The longest a timer can wait. */
const FOREVER_MS = 2 ** 31 - 1;

/** Runs a program to its end and answers what it wrote to stdout. Throws, with its last words, if it fails or takes too long. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: {
    env: Readonly<Record<string, string>>;
    withinMs?: number;
    cwd?: string;
    uid?: number;
    gid?: number;
    /** Aborted: the program is killed. */
    signal?: AbortSignal;
  },
): Promise<string> {
  const { env, withinMs, cwd, uid, gid, signal: abort } = options;
  abort?.throwIfAborted();
  const child = spawn(command, args, {
    env: { ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // so that what it starts itself can be stopped with it
    ...(cwd !== undefined && { cwd }),
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
  });
  let stdout = '';
  let tail = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
    tail = `${tail}${chunk.toString()}`.slice(-TAIL_BYTES);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    tail = `${tail}${chunk.toString()}`.slice(-TAIL_BYTES);
  });
  const kill = (): void => {
    if (child.pid !== undefined) send(-child.pid, 'SIGKILL');
  };
  return new Promise<string>((resolve, reject) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      kill();
    }, withinMs ?? FOREVER_MS);
    abort?.addEventListener('abort', kill);
    const settle = (): void => {
      clearTimeout(timer);
      abort?.removeEventListener('abort', kill);
    };
    child.once('error', (cause) => {
      settle();
      reject(cause);
    });
    child.once('close', (code, signal) => {
      settle();
      if (code === 0) {
        resolve(stdout);
        return;
      }
      const how = late
        ? `took longer than ${(withinMs ?? 0) / 1000} s`
        : `ended with ${signal ?? `code ${code ?? 'unknown'}`}`;
      reject(new Error(tail.trim() === '' ? how : `${how}: ${tail.trim()}`));
    });
  });
}
