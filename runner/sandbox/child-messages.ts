import { z } from 'zod';
import type { HostReply, WitValue } from '../engine/engine.ts';
import { FRAME, FrameError, type Frame } from './frame.ts';
import { MAX_RESPONSE_HEADERS, MAX_SAID_CHARACTERS } from './said-limits.ts';

// What a sandbox may say. It runs hostile code, so every head is parsed before anything is done with it.

const bytes = z.custom<Uint8Array>((value) => ArrayBuffer.isView(value));
const count = z.number().nonnegative();
const said = z.string().transform((text) => text.slice(0, MAX_SAID_CHARACTERS));

const outcome = z.discriminatedUnion('ok', [
  z.strictObject({
    ok: z.literal(true),
    response: z.strictObject({
      status: z.number(),
      headers: z.array(z.strictObject({ name: z.string(), value: z.string() })).max(MAX_RESPONSE_HEADERS),
      body: bytes.optional(),
    }),
    memoryBytes: count,
    cpuMs: count,
    fuel: count,
  }),
  z.strictObject({
    ok: z.literal(false),
    code: z.enum([
      'GUEST_TRAPPED',
      'GUEST_OUT_OF_MEMORY',
      'GUEST_OUT_OF_FUEL',
      'GUEST_TIMEOUT',
      'GUEST_ERROR',
      'GUEST_RESPONSE_TOO_LARGE',
      'INTERNAL', // a host call failed for a reason of ours
    ]),
    message: said,
    memoryBytes: count,
    cpuMs: count,
    fuel: count,
  }),
]);
/** How an execution ended, as its sandbox tells it. `cpuMs` is its own alone, of the thread that guests run on. */
export type SandboxOutcome = z.infer<typeof outcome>;
type WithoutCpu<Outcome> = Outcome extends unknown ? Omit<Outcome, 'cpuMs'> : never;
export type GuestEnd = WithoutCpu<SandboxOutcome>;

const loaded = z.strictObject({
  failure: said.optional(),
  trapped: z.boolean().optional(),
  expandedBytes: count.optional(),
  memoryBytes: count.optional(),
});
const call = z.strictObject({
  call: z.int().nonnegative(),
  interfaceName: z.string().max(64),
  functionName: z.string().max(64),
  // Each capability parses the arguments of its own functions.
  args: z.array(z.custom<WitValue>()).max(16),
});
const output = z.strictObject({ stream: z.enum(['stdout', 'stderr']), bytes });

export type ChildMessage =
  | { type: 'ready' }
  | { type: 'pong' }
  | ({ type: 'loaded'; id: number } & z.infer<typeof loaded>)
  | { type: 'outcome'; id: number; outcome: SandboxOutcome }
  | ({ type: 'call'; id: number } & z.infer<typeof call>)
  | ({ type: 'output'; id: number } & z.infer<typeof output>);

/** Throws FrameError for what is none of a sandbox's messages. */
export function parseChildMessage({ type, id, head }: Frame): ChildMessage {
  try {
    switch (type) {
      case FRAME.ready:
        return { type: 'ready' };
      case FRAME.pong:
        return { type: 'pong' };
      case FRAME.loaded:
        return { type: 'loaded', id, ...loaded.parse(head) };
      case FRAME.outcome:
        return { type: 'outcome', id, outcome: outcome.parse(head) };
      case FRAME.call:
        return { type: 'call', id, ...call.parse(head) };
      case FRAME.output:
        return { type: 'output', id, ...output.parse(head) };
      default:
        throw new FrameError(`a frame of type ${type}`);
    }
  } catch (cause) {
    if (cause instanceof z.ZodError)
      throw new FrameError(`a message of type ${type} with a wrong shape: ${faults(cause)}`);
    throw cause;
  }
}

/** Where the first faults are and of what kind; never what is there, nor keys that we do not know. */
function faults({ issues }: z.ZodError): string {
  return issues
    .slice(0, 3)
    .map(({ path, code }) => `${code} at "${path.join('.')}"`)
    .join(', ');
}

/** Head of a `reply` frame. `failed`: the host is at fault, and the guest that called is ended. */
export type ReplyHead = HostReply | { failed: true };
