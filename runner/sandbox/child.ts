import { randomFillSync } from 'node:crypto';
import { Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { isPlatformError } from '../../core/errors.ts';
import type { Engine, GuestResponse, Host, HostReply } from '../engine/engine.ts';
import { createEngine } from '../engine/create-engine.ts';
import type { GuestEnd, ReplyHead, SandboxOutcome } from './child-messages.ts';
import { startCpuTime } from './cpu-time.ts';
import { expandArtifact } from './expand-artifact.ts';
import { createFrameWriter } from './frame-writer.ts';
import { createFrameReader, encodeFrame, FRAME, type Frame } from './frame.ts';
import type { SandboxJob } from './job.ts';
import { hasTooManyValues } from './json-values.ts';
import {
  MAX_CALL_BYTES,
  MAX_HEAD_BYTES,
  MAX_OUTPUT_BYTES,
  MAX_RESPONSE_HEADER_BYTES,
  MAX_RESPONSE_HEADERS,
  MAX_SAID_CHARACTERS,
  MAX_VALUES,
} from './said-limits.ts';
import type { WireValue } from './wire-value.ts';

// The main of a sandbox process. Its one descriptor to the world is the supervisor's socket; it imports little, because each
// import is a file the permission model must allow and a guest that escapes could read.

const CHANNEL_FD = 3;
const READ_BYTES = 64 * 1024;
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Ends an execution whose host call could not be served; `code` says whose fault it was. */
class HostCallError extends Error {
  override readonly name = 'HostCallError';
  readonly code: 'GUEST_ERROR' | 'INTERNAL';

  constructor(code: 'GUEST_ERROR' | 'INTERNAL', message: string) {
    super(message);
    this.code = code;
  }
}

/** What the supervisor sends to load a component: its artifact's archive, which it has verified. */
export interface LoadHead {
  contentHash: string;
  archive: Uint8Array;
}

/** What a process is for; one that nobody has told is a spare. */
export type SandboxRole = 'spare' | 'trial' | 'tenant';

/** What the supervisor sends to have the process say in the machine's list what it is for. */
export interface ShowHead {
  role: SandboxRole;
}

/** What the supervisor sends to unload a component. */
export interface UnloadHead {
  contentHash: string;
}

/** What the supervisor sends to run a guest. */
export type ExecuteHead = Omit<SandboxJob, 'takesTurns' | 'onCall' | 'onOutput'>;

// No sandbox uses them, and Node would load what is behind them where they are looked at, below at the latest: 30 ms of a core.
const FETCH = ['fetch', 'FormData', 'Headers', 'Request', 'Response', 'WebSocket', 'EventSource'];
const EVENTS = ['MessageEvent', 'CloseEvent', 'ErrorEvent'];
for (const name of [...FETCH, ...EVENTS, 'CompressionStream', 'DecompressionStream']) {
  Reflect.deleteProperty(globalThis, name);
}

// Node's flag freezes what the intrinsics are made of, and not which of them the global names stand for.
for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(globalThis))) {
  if ('value' in descriptor && descriptor.configurable === true) {
    Object.defineProperty(globalThis, name, { writable: false, configurable: false });
  }
}

const read = createFrameReader(() => true);
// Into one buffer: without it each read, of a frame of 500 bytes too, has 64 KiB allocated for it.
const channel = new Socket({
  fd: CHANNEL_FD,
  readable: true,
  writable: true,
  onread: {
    buffer: Buffer.allocUnsafeSlow(READ_BYTES),
    callback(length, buffer) {
      read(Buffer.from(buffer.subarray(0, length)), receive);
      return true;
    },
  },
});
const engine: Engine = createEngine();
const waiting = new Map<
  number,
  { resolve: (reply: HostReply) => void; fail: (err: HostCallError) => void }
>();
let calls = 0;
const write = createFrameWriter(channel);

function send(type: number, id: number, head: WireValue): void {
  write(encodeFrame({ type, id, head }));
}

/** Whether the supervisor would take it; from one that says more it parts. */
function isSayable([, head, ...blobs]: ReturnType<typeof encodeFrame>, maxBlobBytes: number): boolean {
  const blobBytes = blobs.reduce((sum, blob) => sum + blob.byteLength, 0);
  return (
    head.byteLength <= MAX_HEAD_BYTES && blobBytes <= maxBlobBytes && !hasTooManyValues(head, MAX_VALUES)
  );
}

/** A host for one execution. `fail` ends it: a guest whose call is never answered would stay suspended until its deadline. */
function createHost(
  execution: number,
  constants: ExecuteHead['constants'],
  lap: () => void,
  fail: (err: HostCallError) => void,
): Host {
  let outputLeft = MAX_OUTPUT_BYTES;
  return {
    monotonicNow: () => performance.now(),
    wallNow: () => Date.now(),
    sleep(milliseconds) {
      lap();
      return setTimeout(Math.min(milliseconds, MAX_TIMER_MS));
    },
    beforeTurn: lap,
    fillRandom: (bytes) => void randomFillSync(bytes),
    call(interfaceName, functionName, args) {
      const name = `${interfaceName}.${functionName}`;
      const reply = Object.hasOwn(constants, name) ? constants[name] : undefined;
      if (reply !== undefined) return reply;
      const { promise, resolve } = Promise.withResolvers<HostReply>();
      const id = ++calls;
      const head = { call: id, interfaceName, functionName, args };
      const frame = encodeFrame({ type: FRAME.call, id: execution, head });
      if (isSayable(frame, MAX_CALL_BYTES)) {
        waiting.set(id, { resolve, fail });
        write(frame);
      } else fail(new HostCallError('GUEST_ERROR', `the arguments of ${name} are too large`));
      lap();
      return promise;
    },
    output(stream, bytes) {
      const kept = bytes.slice(0, outputLeft); // a copy: the guest's memory changes before the tick ends
      outputLeft -= kept.byteLength;
      if (kept.byteLength > 0) send(FRAME.output, execution, { stream, bytes: kept });
    },
  };
}

async function outcomeOf(
  id: number,
  { contentHash, request, responseBytes, limits, constants, sharedInstance }: ExecuteHead,
  lap: () => void,
): Promise<GuestEnd> {
  const failure = Promise.withResolvers<never>();
  try {
    const host = createHost(id, constants, lap, failure.reject);
    const running = engine.execute(contentHash, request, host, limits, sharedInstance);
    const outcome = await Promise.race([running, failure.promise]);
    const fault = outcome.ok ? excess(outcome.response, responseBytes) : undefined;
    if (fault === undefined) return outcome;
    const { memoryBytes, fuel } = outcome;
    return { ok: false, code: 'GUEST_RESPONSE_TOO_LARGE', message: fault, memoryBytes, fuel };
  } catch (err) {
    const code = err instanceof HostCallError ? err.code : 'INTERNAL';
    return { ok: false, code, message: String(err), memoryBytes: 0, fuel: 0 };
  }
}

/** What of an answer is more than may leave the sandbox. */
function excess({ headers, body }: GuestResponse, maxBytes: number): string | undefined {
  if ((body?.byteLength ?? 0) > maxBytes) return `the response body is over ${maxBytes} bytes`;
  const size = headers.reduce((sum, { name, value }) => sum + name.length + value.length, 0);
  return headers.length > MAX_RESPONSE_HEADERS || size > MAX_RESPONSE_HEADER_BYTES
    ? 'too many or too long headers'
    : undefined;
}

async function execute(id: number, head: ExecuteHead): Promise<void> {
  const cpu = startCpuTime();
  const end = await outcomeOf(id, head, cpu.lap);
  cpu.lap();
  const cpuMs = cpu.milliseconds;
  const outcome: SandboxOutcome = end.ok
    ? { ...end, cpuMs }
    : { ...end, message: end.message.slice(0, MAX_SAID_CHARACTERS), cpuMs };
  send(FRAME.outcome, id, outcome);
}

async function load(id: number, { contentHash, archive }: LoadHead): Promise<void> {
  try {
    const { artifact, expandedBytes } = await expandArtifact(contentHash, archive);
    send(FRAME.loaded, id, { ...(await engine.load(artifact)), expandedBytes });
  } catch (err) {
    const trapped = isPlatformError(err) && err.code === 'GUEST_TRAPPED';
    send(FRAME.loaded, id, { failure: String(err).slice(0, MAX_SAID_CHARACTERS), trapped });
  }
}

function settle(id: number, reply: ReplyHead): void {
  const call = waiting.get(id);
  waiting.delete(id);
  if ('failed' in reply) call?.fail(new HostCallError('INTERNAL', 'the host could not serve the call'));
  else call?.resolve(reply);
}

/** For `ps`, and who looks for processes by what they are for. A guest that escapes may lie here. */
function show(role: SandboxRole): void {
  process.title = `${process.argv[1]} ${role}`;
}

function receive({ type, id, head }: Frame): void {
  switch (type) {
    case FRAME.load:
      void load(id, head as unknown as LoadHead);
      return;
    case FRAME.execute:
      void execute(id, head as unknown as ExecuteHead);
      return;
    case FRAME.reply:
      settle(id, head as ReplyHead);
      return;
    case FRAME.unload:
      engine.unload((head as unknown as UnloadHead).contentHash);
      return;
    case FRAME.show:
      show((head as unknown as ShowHead).role);
      return;
    case FRAME.ping:
      send(FRAME.pong, id, {});
      return;
    default:
      process.exit(2); // not our supervisor
  }
}

show('spare');
// Sent to the whole group, by a service manager or a terminal: the supervisor drains first, then it ends us.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => undefined);
// Without a supervisor there is nothing to do and nobody to answer.
channel.on('error', () => process.exit(0));
channel.on('close', () => process.exit(0));
send(FRAME.ready, 0, {});
