import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { decodeFrame, encodeFrame } from '../../core/execute-frame.ts';
import { isErrorCode, PlatformError } from '../../core/errors.ts';
import { ANSWER_DESCRIPTOR, BEGUN, childAnswer, type ChildTask } from './precompile-protocol.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const SCRIPT = join(import.meta.dirname, 'precompile-child.ts');
/** JavaScript heap of the child; the memory of its WebAssembly tools is limited by limit-own-memory.ts. */
const HEAP_MB = 512;
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;
const STDERR_KEPT_BYTES = 8 * 1024;
/** By these somebody stops a process; and by the first one a system that is out of memory. */
const STOPPED_BY = ['SIGKILL', 'SIGTERM', 'SIGINT'];
/** What V8 prints when the heap has reached its limit, before it aborts, and Node when that of a thread has. */
const OUT_OF_HEAP = /(JavaScript|JS) heap out of memory/;

/** How a child ended that gave no answer; for the log, never for a publisher. */
export interface ChildCrash {
  /** Signal, exit code, or why it could not start. */
  ending: string;
  /** The last of what it wrote to standard error. */
  stderr: string;
}

export interface ChildOptions {
  /** After this the child is killed. */
  timeoutMs: number;
  signal?: AbortSignal;
  onCrash?: (crash: ChildCrash) => void;
  heapMb?: number;
  /** Node, and the script that it runs. */
  program?: readonly [node: string, script: string];
}

export type ComponentAnswer = Exclude<ReturnType<typeof childAnswer.parse>, { kind: 'failed' }>;

/** The child came to no answer on this component, whose doing that is unless something else held the child up. The message says why. */
export class UnprocessableError extends Error {
  override readonly name = 'UnprocessableError';
}

/**
 * Gives a component to a child process of its own, which has no environment, no network and no files but the code it runs. Throws what
 * the child found, UnprocessableError, COMPONENT_INVALID for an answer that no sound child gives, or COMPONENT_TOOL_CRASHED.
 */
export async function runComponentChild(
  task: ChildTask,
  component: Uint8Array,
  options: ChildOptions,
): Promise<{ answer: ComponentAnswer; body: Uint8Array }> {
  const { timeoutMs, signal, onCrash } = options;
  signal?.throwIfAborted();
  const child = start(options);
  const stderr = keepStderr(child);
  const deadline = AbortSignal.timeout(timeoutMs);
  const kill = (): void => void child.kill('SIGKILL');
  deadline.addEventListener('abort', kill);
  signal?.addEventListener('abort', kill);
  try {
    const ending = ended(child);
    send(child, task, component);
    const [output, how] = await Promise.all([readAnswer(child), ending]);
    signal?.throwIfAborted();
    const hasBegun = output.length > 0;
    const frame = hasBegun ? decodeFrame(output.subarray(BEGUN.length)) : undefined;
    if (frame) return { answer: readHead(frame.head), body: frame.body };
    onCrash?.({ ending: how, stderr: stderr() });
    if (deadline.aborted) throw tooLarge(`it takes longer than ${Math.round(timeoutMs / 1000)} s`);
    if (OUT_OF_HEAP.test(stderr())) throw tooLarge('it takes more memory than it may');
    if (hasBegun && !STOPPED_BY.includes(how)) {
      throw new UnprocessableError(`the tools that process components break off on this one (${how})`);
    }
    throw new PlatformError(
      'COMPONENT_TOOL_CRASHED',
      `the process that works on components ended without an answer (${how})`,
    );
  } finally {
    deadline.removeEventListener('abort', kill);
    signal?.removeEventListener('abort', kill);
    kill();
  }
}

function tooLarge(why: string): UnprocessableError {
  return new UnprocessableError(`the component is too large: ${why} to process it`);
}

/** A component that took its child over makes it say such things. */
export function senseless(what: string): PlatformError {
  return new PlatformError('COMPONENT_INVALID', `the component could not be processed: ${what}`);
}

/** WASI shims of jco's own tools need worker threads. */
function start({
  heapMb = HEAP_MB,
  program: [node, script] = [process.execPath, SCRIPT],
}: ChildOptions): ChildProcess {
  const readable = ['core/', 'platform/component/', 'wit/', 'node_modules/', 'package.json'];
  return spawn(
    node,
    [
      `--max-old-space-size=${heapMb}`,
      '--permission',
      '--allow-worker',
      ...readable.map((path) => `--allow-fs-read=${join(ROOT, path)}`),
      script,
    ],
    { stdio: ['pipe', 'ignore', 'pipe', 'pipe'], env: {} },
  );
}

function keepStderr(child: ChildProcess): () => string {
  let kept = Buffer.alloc(0);
  child.stderr?.on('data', (chunk: Buffer) => {
    kept = Buffer.concat([kept, chunk]).subarray(-STDERR_KEPT_BYTES);
  });
  return () => kept.toString();
}

function send(child: ChildProcess, task: ChildTask, component: Uint8Array): void {
  const { stdin } = child;
  if (!stdin) return; // it could not be started
  // A child that died does not read on; how it ended is what counts.
  stdin.on('error', () => undefined);
  for (const part of encodeFrame(task, component)) stdin.write(part);
  stdin.end();
}

async function readAnswer(child: ChildProcess): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of child.stdio[ANSWER_DESCRIPTOR] as Readable as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw senseless('its artifact is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

async function ended(child: ChildProcess): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  child.once('error', (err) => resolve(err.message));
  child.once('close', (code, killedBy) => resolve(killedBy ?? `exit code ${String(code)}`));
  return promise;
}

function readHead(head: unknown): ComponentAnswer {
  const parsed = childAnswer.safeParse(head);
  if (!parsed.success) throw senseless('its answer makes no sense');
  if (parsed.data.kind !== 'failed') return parsed.data;
  const { code, message, details, issues } = parsed.data;
  throw new PlatformError(isErrorCode(code) ? code : 'INTERNAL', message, { details, issues });
}
