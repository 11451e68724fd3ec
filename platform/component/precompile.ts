import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { decodeFrame, encodeFrame } from '../../core/execute-frame.ts';
import { isErrorCode, PlatformError } from '../../core/errors.ts';
import type { ComponentInspection } from './inspect-component.ts';
import { ANSWER_DESCRIPTOR, childAnswer, type ChildTask } from './precompile-protocol.ts';
import type { TranspiledComponent } from './transpile-component.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const CHILD = join(import.meta.dirname, 'precompile-child.ts');
/** JavaScript heap of the child; the memory of its WebAssembly tools is limited by limit-own-memory.ts. */
const HEAP_MB = 512;
/** jco takes about four times the size of the component, which a bundle limits to 128 MiB. */
const TOOL_MEMORY_MB = 768;
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

export interface ChildOptions {
  /** After this the child is killed and the component refused. */
  timeoutMs: number;
  signal?: AbortSignal;
  /** Memory of jco and its like, which are WebAssembly. */
  toolMemoryMb?: number;
}

/** inspectComponent in a child process of its own; in addition COMPONENT_INVALID if it outgrows the child's memory or time. */
export async function inspectInChild(
  component: Uint8Array,
  { toolMemoryMb = TOOL_MEMORY_MB, ...options }: ChildOptions,
): Promise<ComponentInspection> {
  const { answer } = await runChild({ kind: 'inspect', toolMemoryMb }, component, options);
  if (answer.kind !== 'inspected') throw brokenOff(`it answered "${answer.kind}"`);
  return answer.inspection;
}

/** transpileComponent in a child process of its own; in addition COMPONENT_INVALID if it outgrows the child's memory or time. */
export async function precompileComponent(
  component: Uint8Array,
  { memoryMb, toolMemoryMb = TOOL_MEMORY_MB, ...options }: ChildOptions & { memoryMb: number },
): Promise<TranspiledComponent> {
  const { answer, body } = await runChild({ kind: 'precompile', toolMemoryMb, memoryMb }, component, options);
  if (answer.kind !== 'precompiled') throw brokenOff(`it answered "${answer.kind}"`);
  const [glue, ...modules] = splitFiles(answer.files, body);
  if (!glue) throw brokenOff('it sent no glue');
  return {
    glue: glue.bytes,
    coreModules: Object.fromEntries(modules.map(({ name, bytes }) => [name, bytes])),
    imports: answer.imports,
  };
}

type Answer = Exclude<ReturnType<typeof childAnswer.parse>, { kind: 'failed' }>;

async function runChild(
  task: ChildTask,
  component: Uint8Array,
  { timeoutMs, signal }: Omit<ChildOptions, 'toolMemoryMb'>,
): Promise<{ answer: Answer; body: Uint8Array }> {
  signal?.throwIfAborted();
  const child = start();
  const deadline = AbortSignal.timeout(timeoutMs);
  const kill = (): void => void child.kill('SIGKILL');
  deadline.addEventListener('abort', kill);
  signal?.addEventListener('abort', kill);
  try {
    send(child, task, component);
    const [output, ending] = await Promise.all([readAnswer(child), ended(child)]);
    signal?.throwIfAborted();
    if (deadline.aborted) {
      throw brokenOff(`it took longer than ${Math.round(timeoutMs / 1000)} s`);
    }
    const frame = decodeFrame(output);
    if (!frame) throw brokenOff(`it used more memory than it may, or crashed the tool (${ending})`);
    return { answer: readHead(frame.head), body: frame.body };
  } finally {
    deadline.removeEventListener('abort', kill);
    signal?.removeEventListener('abort', kill);
    kill();
  }
}

/** No environment, no network, no files but the code it runs; WASI shims of jco's own tools need worker threads. */
function start(): ChildProcess {
  const readable = ['core/', 'platform/component/', 'wit/', 'node_modules/', 'package.json'];
  return spawn(
    process.execPath,
    [
      `--max-old-space-size=${HEAP_MB}`,
      '--permission',
      '--allow-worker',
      ...readable.map((path) => `--allow-fs-read=${join(ROOT, path)}`),
      CHILD,
    ],
    { stdio: ['pipe', 'ignore', 'ignore', 'pipe'], env: {} },
  );
}

function send(child: ChildProcess, task: ChildTask, component: Uint8Array): void {
  const { stdin } = child;
  if (!stdin) throw new Error('the child has no standard input');
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
    if (size > MAX_ANSWER_BYTES) throw brokenOff('its artifact is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

async function ended(child: ChildProcess): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  child.once('error', reject);
  child.once('close', (code, killedBy) => resolve(killedBy ?? `exit code ${String(code)}`));
  return promise;
}

function readHead(head: unknown): Answer {
  const parsed = childAnswer.safeParse(head);
  if (!parsed.success) throw brokenOff('its answer makes no sense');
  if (parsed.data.kind !== 'failed') return parsed.data;
  const { code, message, details } = parsed.data;
  const issues = parsed.data.issues.map(({ expected, ...issue }) => ({
    ...issue,
    ...(expected !== undefined && { expected }),
  }));
  throw new PlatformError(isErrorCode(code) ? code : 'INTERNAL', message, { details, issues });
}

function splitFiles(
  files: { name: string; size: number }[],
  body: Uint8Array,
): { name: string; bytes: Uint8Array }[] {
  let at = 0;
  const split = files.map(({ name, size }) => ({ name, bytes: body.subarray(at, (at += size)) }));
  if (at !== body.length) throw brokenOff('its answer is shorter or longer than it says');
  return split;
}

function brokenOff(why: string): PlatformError {
  return new PlatformError('COMPONENT_INVALID', `the component could not be processed: ${why}`);
}
