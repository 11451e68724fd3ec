import { randomFillSync } from 'node:crypto';
import { Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import type { LinkedPlan } from '../../core/component/plan.ts';
import { isPlatformError } from '../../core/errors.ts';
import type {
  Engine,
  EngineArtifact,
  ExecutionLimits,
  GuestRequest,
  Host,
  HostReply,
  WitValue,
} from '../engine/engine.ts';
import { createEngine } from '../engine/create-engine.ts';
import type { GuestEnd, ReplyHead, SandboxOutcome } from './child-messages.ts';
import { createFrameWriter } from './frame-writer.ts';
import { createFrameReader, FRAME, type Frame } from './frame.ts';
import type { WireValue } from './wire-value.ts';

// The main of a sandbox process. Its one descriptor to the world is the supervisor's socket; it imports little, because each
// import is a file the permission model must allow and a guest that escapes could read.

const CHANNEL_FD = 3;
const MAX_FRAME_BYTES = 512 * 1024 * 1024; // artifacts arrive whole
const MAX_CALL_BYTES = 1024 * 1024; // more than any capability takes
const MAX_TIMER_MS = 2 ** 31 - 1;
const MAX_OUTPUT_BYTES = 64 * 1024; // per execution; the supervisor caps it again

/** Ends an execution whose host call could not be served; `code` says whose fault it was. */
class HostCallError extends Error {
  override readonly name = 'HostCallError';
  readonly code: 'GUEST_ERROR' | 'INTERNAL';

  constructor(code: 'GUEST_ERROR' | 'INTERNAL', message: string) {
    super(message);
    this.code = code;
  }
}

/** What the supervisor sends to load a component; the plan as JSON. */
export type LoadHead = Omit<EngineArtifact, 'plan'> & { plan?: string };

/** What the supervisor sends to run a guest. */
export interface ExecuteHead {
  contentHash: string;
  request: GuestRequest;
  responseBytes: number;
  limits: ExecutionLimits;
  constants: Readonly<Record<string, HostReply>>;
  sharedInstance?: string;
}

const channel = new Socket({ fd: CHANNEL_FD, readable: true, writable: true });
const engine: Engine = createEngine();
const waiting = new Map<
  number,
  { resolve: (reply: HostReply) => void; fail: (err: HostCallError) => void }
>();
let calls = 0;
const write = createFrameWriter(channel);

function send(type: number, id: number, head: WireValue): void {
  write({ type, id, head });
}

function sizeOf(value: WitValue): number {
  if (typeof value === 'string') return value.length;
  if (ArrayBuffer.isView(value)) return value.byteLength;
  if (typeof value !== 'object') return 8;
  return Object.values(value).reduce((sum: number, member) => sum + sizeOf(member), 8);
}

/** A host for one execution. `fail` ends it: a guest whose call is never answered would stay suspended until its deadline. */
function createHost(
  execution: number,
  constants: ExecuteHead['constants'],
  fail: (err: HostCallError) => void,
): Host {
  let outputLeft = MAX_OUTPUT_BYTES;
  return {
    monotonicNow: () => performance.now(),
    wallNow: () => Date.now(),
    sleep: async (milliseconds) => setTimeout(Math.min(milliseconds, MAX_TIMER_MS)),
    fillRandom: (bytes) => void randomFillSync(bytes),
    call(interfaceName, functionName, args) {
      const name = `${interfaceName}.${functionName}`;
      const reply = Object.hasOwn(constants, name) ? constants[name] : undefined;
      if (reply !== undefined) return reply;
      const { promise, resolve } = Promise.withResolvers<HostReply>();
      if (sizeOf(args) > MAX_CALL_BYTES) {
        fail(
          new HostCallError('GUEST_ERROR', `the arguments of ${interfaceName}.${functionName} are too large`),
        );
        return promise;
      }
      const id = ++calls;
      waiting.set(id, { resolve, fail });
      send(FRAME.call, id, { execution, interfaceName, functionName, args });
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
): Promise<GuestEnd> {
  const failure = Promise.withResolvers<never>();
  try {
    const host = createHost(id, constants, failure.reject);
    const running = engine.execute(contentHash, request, host, limits, sharedInstance);
    const outcome = await Promise.race([running, failure.promise]);
    if (!outcome.ok || (outcome.response.body?.byteLength ?? 0) <= responseBytes) return outcome;
    const { memoryBytes, fuel } = outcome;
    const message = `the response body is over ${responseBytes} bytes`;
    return { ok: false, code: 'GUEST_RESPONSE_TOO_LARGE', message, memoryBytes, fuel };
  } catch (err) {
    const code = err instanceof HostCallError ? err.code : 'INTERNAL';
    return { ok: false, code, message: String(err), memoryBytes: 0, fuel: 0 };
  }
}

async function execute(id: number, head: ExecuteHead): Promise<void> {
  const before = process.cpuUsage();
  const end = await outcomeOf(id, head);
  const used = process.cpuUsage(before);
  const outcome: SandboxOutcome = { ...end, cpuMs: (used.user + used.system) / 1000 };
  send(FRAME.outcome, id, outcome);
}

async function load(id: number, { plan, ...artifact }: LoadHead): Promise<void> {
  try {
    const linked = plan === undefined ? {} : { plan: JSON.parse(plan) as LinkedPlan };
    await engine.load({ ...artifact, ...linked });
    send(FRAME.loaded, id, {});
  } catch (err) {
    const trapped = isPlatformError(err) && err.code === 'GUEST_TRAPPED';
    send(FRAME.loaded, id, { failure: String(err), trapped });
  }
}

function settle(id: number, reply: ReplyHead): void {
  const call = waiting.get(id);
  waiting.delete(id);
  if ('failed' in reply) call?.fail(new HostCallError('INTERNAL', 'the host could not serve the call'));
  else call?.resolve(reply);
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
    default:
      process.exit(2); // not our supervisor
  }
}

const read = createFrameReader(MAX_FRAME_BYTES);
channel.on('data', (chunk: Buffer) => {
  for (const frame of read(chunk)) receive(frame);
});
// Sent to the whole group, by a service manager or a terminal: the supervisor drains first, then it ends us.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => undefined);
// Without a supervisor there is nothing to do and nobody to answer.
channel.on('error', () => process.exit(0));
channel.on('close', () => process.exit(0));
send(FRAME.ready, 0, {});
