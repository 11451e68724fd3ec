import { PlatformError } from '../../core/errors.ts';
import type { VerifiedArtifact } from '../../platform/component/artifact.ts';
import type { Logger } from '../../platform/logger.ts';
import { createAdmission } from './admission.ts';
import type { LoadHead, SandboxRole } from './child.ts';
import {
  parseChildMessage,
  type ChildMessage,
  type ReplyHead,
  type SandboxOutcome,
} from './child-messages.ts';
import { createFrameWriter } from './frame-writer.ts';
import { createFrameReader, encodeFrame, FRAME, type Frame } from './frame.ts';
import { LoadedComponents } from './loaded-components.ts';
import type { SandboxJob } from './job.ts';
import { captureOutput } from './process-output.ts';
import { readPaced } from './paced-reading.ts';
import { startSandboxProcess, type Isolation, type SandboxProgram } from './process.ts';
import { processUsage, type ProcessUsage } from './resident-memory.ts';
import { MAX_CALL_BYTES, MAX_HEAD_BYTES, MAX_VALUES } from './said-limits.ts';
import { executeHead, isToBlame, plausible, type RunningJob } from './running-job.ts';
import { SandboxLostError, type LossReason } from './sandbox-lost.ts';
import type { WireValue } from './wire-value.ts';

const MIB = 1024 * 1024;
/** What may wait for a sandbox that does not read, because a guest in it holds its thread. */
const MAX_BACKLOG_BYTES = 64 * 1024 * 1024;
/** Answers to host calls that a sandbox has not read: with more, its next calls wait until it has. */
const MAX_UNREAD_BYTES = 16 * 1024 * 1024;
/** The same in number, since a small one takes hundreds of bytes of ours. */
const MAX_UNREAD = 4_096;
/** A guest waits for each of its calls; a sandbox that has more of them open, or more bytes in them than in one, is not one of ours any more. */
const MAX_OPEN_CALLS = 16;
const MAX_OPEN_BYTES = MAX_HEAD_BYTES + MAX_CALL_BYTES;
/** Resident memory beyond the guests' caps: the runtime, what is loaded, shared instances, instances not collected yet. */
const BASE_BYTES = 1024 * MIB;
/** Of a processor, over the time between two measures: a process that uses as much has no time left. */
const SATURATED_SHARE = 0.8;
/** Beats that may stay unanswered; of a process that starts on a busy machine, more. */
const MAX_UNANSWERED = 3;
const MAX_UNANSWERED_STARTING = 15;

/** Supervisor's handle on one sandbox process. */
export interface Sandbox {
  /** Undefined until it runs. */
  readonly pid: number | undefined;
  /** Settles once: true when it can work, false when it ended before. */
  readonly ready: Promise<boolean>;
  /** When its process has ended. */
  readonly exited: Promise<LossReason>;
  readonly alive: boolean;
  /** Loads and executions under way. */
  readonly busy: number;
  /** When last measured; 0 before, and where the system does not tell. */
  readonly residentBytes: number;
  /** Whether it used up its processor when last measured. */
  readonly saturated: boolean;
  /** Whether a component is loaded, or about to be. */
  has(contentHash: string): boolean;
  /** A second load of a hash waits for the first. Throws ARTIFACT_INVALID, GUEST_TRAPPED, GUEST_TIMEOUT, SandboxLostError. */
  load(artifact: VerifiedArtifact, deadlineMs?: number): Promise<void>;
  /** Throws SandboxLostError, or RUNNER_BUSY when too much waits for the process already. */
  run(job: SandboxJob): Promise<SandboxOutcome>;
  /** Has the machine's list of processes show what it is for; until then it is a spare. */
  show(role: SandboxRole): void;
  /** Looks what the process uses, and ends it when that is too much. */
  measure(): Promise<void>;
  /** Asks it for a sign of life, and ends it when it gave none after the last few times. */
  beat(): void;
  /** Kills at once; everything in the process rejects. */
  kill(reason: LossReason): void;
}

export interface SandboxOptions {
  /** Without it, the source as it stands. */
  program?: SandboxProgram | undefined;
  baseBytes?: number;
  /** Of what its loaded components weigh. */
  maxLoadedBytes?: number;
  countUnload?: () => void;
}

interface OpenCall {
  running: RunningJob;
  message: ChildMessage & { type: 'call' };
  bytes: number;
}

export function createSandbox(
  logger: Logger,
  isolation: Isolation,
  { program, baseBytes = BASE_BYTES, maxLoadedBytes, countUnload = () => undefined }: SandboxOptions = {},
): Sandbox {
  const started = startSandboxProcess(isolation, program);
  const { child, channel } = started;
  const writeParts = createFrameWriter(channel);
  const write = (frame: Frame): void => writeParts(encodeFrame(frame));
  const jobs = new Map<number, RunningJob>();
  const ready = Promise.withResolvers<boolean>();
  const exited = Promise.withResolvers<LossReason>();
  const unserved = new Set<OpenCall>(); // until all that was written is read
  let unread = 0; // answers, at most
  let lossReason: LossReason | undefined;
  let isReady = false;
  let ids = 0;
  let lastStarted = 0;
  let withoutTurns = 0; // executions
  let unanswered = 0; // beats
  let usage: ProcessUsage & { at: number } = { residentBytes: 0, cpuMs: 0, at: performance.now() };
  let saturated = false;
  let hasLoaded = false; // since it was last measured

  const components = new LoadedComponents({
    sendLoad({ contentHash, archive }) {
      const id = ++ids;
      write({ type: FRAME.load, id, head: { contentHash, archive } satisfies LoadHead });
      return id;
    },
    sendUnload: (contentHash) => write({ type: FRAME.unload, id: 0, head: { contentHash } }),
    giveUp: () => lose('timeout'),
    countUnload,
    ...(maxLoadedBytes !== undefined && { maxBytes: maxLoadedBytes }),
  });

  const lose = (reason: LossReason): void => {
    if (lossReason !== undefined) return;
    lossReason = reason;
    ready.resolve(false);
    unserved.clear();
    for (const [id, running] of jobs) {
      const alone = running.began === 'alone' && lastStarted === id;
      const blamed = alone && isToBlame(running, reason, usage.residentBytes);
      running.reject(new SandboxLostError(reason, !running.heard, blamed));
    }
    jobs.clear();
    components.lose(new SandboxLostError(reason, true, false));
    channel.destroy();
    started.kill();
  };

  const end = (id: number, { job }: RunningJob): void => {
    jobs.delete(id);
    for (const call of unserved) {
      if (call.message.id !== id) continue;
      unserved.delete(call);
      reply(call, { failed: true });
    }
    components.endCall(job.contentHash);
    if (!job.takesTurns) withoutTurns -= 1;
  };

  const reply = ({ running, message, bytes }: OpenCall, head: ReplyHead): void => {
    running.openCalls -= 1;
    running.openBytes -= bytes;
    unread += 1;
    if (lossReason === undefined) write({ type: FRAME.reply, id: message.call, head });
  };

  const serve = async (call: OpenCall): Promise<void> => {
    if (!channel.writableNeedDrain) unread = 0;
    else if (channel.writableLength > MAX_UNREAD_BYTES || unread >= MAX_UNREAD) {
      unserved.add(call);
      return;
    }
    const { running, message } = call;
    let head: ReplyHead;
    try {
      head = await running.job.onCall(message.interfaceName, message.functionName, message.args);
      if (channel.writableLength > MAX_BACKLOG_BYTES)
        throw new Error('the sandbox does not read its answers');
    } catch (err) {
      // Once: what a sandbox asks after it was told to end its guest is worth no line.
      if (!running.failed) logger.error({ err }, 'host call failed');
      running.failed = true;
      head = { failed: true };
    }
    reply(call, jobs.has(message.id) ? head : { failed: true }); // nobody waits for the bytes of what has ended
  };

  /** Of whoever waited for what was loaded: the next look of all may come after it has taken too much. */
  const notePresentMemory = async (): Promise<void> => {
    const now = started.pid === undefined ? undefined : await processUsage(started.pid);
    if (now === undefined) return;
    for (const running of jobs.values()) running.residentAtStart ??= now.residentBytes;
  };

  const receive = (message: ChildMessage, bytes: number): void => {
    unanswered = 0;
    if (message.type === 'pong') return;
    if (message.type === 'ready') {
      isReady = true;
      ready.resolve(true);
      return;
    }
    if (message.type === 'loaded') {
      const { id, failure } = message;
      if (failure !== undefined) {
        logger.warn({ stream: 'sandbox', pid: started.pid, text: failure }, 'sandbox did not load');
      }
      hasLoaded = true;
      components.settle(id, message);
      void notePresentMemory();
      return;
    }
    const running = jobs.get(message.id);
    if (running === undefined) return; // it ended while this was on its way
    running.heard = true;
    if (message.type === 'outcome') {
      end(message.id, running);
      running.resolve(plausible(message.outcome, running));
    } else if (message.type === 'output') {
      running.job.onOutput(message.stream, message.bytes);
    } else {
      running.openCalls += 1;
      running.openBytes += bytes;
      if (running.openCalls > MAX_OPEN_CALLS) throw new RangeError('too many open host calls');
      if (running.openBytes > MAX_OPEN_BYTES) throw new RangeError('too large open host calls');
      void serve({ running, message, bytes });
    }
  };

  const admit = createAdmission({
    isLoading: (id) => components.isLoading(id),
    responseBytes: (id) => jobs.get(id)?.job.responseBytes,
  });
  const read = createFrameReader(admit, MAX_VALUES);
  readPaced(channel, (chunk) => {
    try {
      read(chunk, (frame, bytes) => receive(parseChildMessage(frame), bytes));
    } catch (err) {
      logger.error({ err, pid: started.pid }, 'sandbox broke the protocol');
      lose('protocol');
    }
  });
  channel.on('drain', () => {
    const calls = [...unserved];
    unserved.clear();
    for (const call of calls) void serve(call);
  });
  channel.on('error', (err) => {
    if (lossReason === undefined) logger.warn({ err, pid: started.pid }, 'sandbox channel failed');
    lose('crashed');
  });
  channel.on('close', () => lose('crashed'));
  captureOutput(child, logger);
  child.on('error', (err) => {
    logger.error({ err }, 'sandbox process did not start');
    lose('crashed');
    exited.resolve('crashed');
  });
  child.on('exit', (code, signal) => {
    if (lossReason === undefined)
      logger.warn({ pid: started.pid, code, signal }, 'sandbox process ended by itself');
    lose('crashed');
    exited.resolve(lossReason ?? 'crashed');
  });

  return {
    get pid() {
      return started.pid;
    },
    ready: ready.promise,
    exited: exited.promise,
    get alive() {
      return lossReason === undefined;
    },
    get busy() {
      return jobs.size + components.loading;
    },
    get residentBytes() {
      return usage.residentBytes;
    },
    get saturated() {
      return saturated;
    },
    has: (contentHash) => components.has(contentHash),
    load(artifact, deadlineMs) {
      if (lossReason === undefined) return components.load(artifact, deadlineMs);
      return Promise.reject(new SandboxLostError(lossReason, true, false));
    },
    run(job) {
      if (lossReason !== undefined) return Promise.reject(new SandboxLostError(lossReason, true, false));
      if (channel.writableLength > MAX_BACKLOG_BYTES) {
        return Promise.reject(
          new PlatformError('RUNNER_BUSY', 'too much waits for the sandbox of this tenant'),
        );
      }
      const id = ++ids;
      const began = jobs.size === 0 ? 'alone' : 'beside others';
      lastStarted = id;
      components.beginCall(job.contentHash);
      if (!job.takesTurns) withoutTurns += 1;
      const { promise, resolve, reject } = Promise.withResolvers<SandboxOutcome>();
      const startedAt = performance.now();
      const residentAtStart = hasLoaded ? undefined : usage.residentBytes;
      const fresh = { heard: false, openCalls: 0, openBytes: 0, failed: false };
      jobs.set(id, { job, startedAt, residentAtStart, began, ...fresh, resolve, reject });
      write({ type: FRAME.execute, id, head: executeHead(job) as unknown as WireValue });
      return promise;
    },
    async measure() {
      if (started.pid === undefined) return;
      const now = await processUsage(started.pid);
      if (now === undefined || lossReason !== undefined) return;
      const at = performance.now();
      saturated = now.cpuMs - usage.cpuMs >= SATURATED_SHARE * (at - usage.at);
      usage = { ...now, at };
      if (hasLoaded) for (const running of jobs.values()) running.residentAtStart ??= now.residentBytes;
      hasLoaded = false;
      const cap = baseBytes + [...jobs.values()].reduce((sum, { job }) => sum + job.limits.memoryMb * MIB, 0);
      if (usage.residentBytes <= cap) return;
      const { residentBytes: resident } = usage;
      logger.warn({ pid: started.pid, resident, cap }, 'sandbox holds too much memory');
      lose('memory');
    },
    show(role) {
      if (lossReason === undefined) write({ type: FRAME.show, id: 0, head: { role } });
    },
    beat() {
      if (lossReason !== undefined || withoutTurns > 0 || components.loading > 0) return;
      if (unanswered >= (isReady ? MAX_UNANSWERED : MAX_UNANSWERED_STARTING)) {
        logger.warn({ pid: started.pid }, 'sandbox does not answer');
        lose('unresponsive');
        return;
      }
      unanswered += 1;
      if (isReady) write({ type: FRAME.ping, id: 0, head: {} });
    },
    kill: lose,
  };
}
