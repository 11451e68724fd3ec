import { availableParallelism } from 'node:os';
import { PlatformError } from '../../core/errors.ts';
import type { Logger } from '../../platform/logger.ts';
import type { EngineArtifact, ExecutionLimits, GuestRequest, HostReply, WitValue } from '../engine/engine.ts';
import { createAdmission } from './admission.ts';
import type { ExecuteHead, LoadHead } from './child.ts';
import {
  parseChildMessage,
  type ChildMessage,
  type ReplyHead,
  type SandboxOutcome,
} from './child-messages.ts';
import { createFrameWriter } from './frame-writer.ts';
import { createFrameReader, encodeFrame, FRAME, type Frame } from './frame.ts';
import { FUEL_PER_MS } from '../engine/fuel-meter.ts';
import { captureOutput } from './process-output.ts';
import { readPaced } from './paced-reading.ts';
import { startSandboxProcess, type Isolation } from './process.ts';
import { residentMemory } from './resident-memory.ts';
import { MAX_VALUES } from './said-limits.ts';
import type { WireValue } from './wire-value.ts';

const MIB = 1024 * 1024;
/** What may wait for a sandbox that does not read, because a guest in it holds its thread. */
const MAX_BACKLOG_BYTES = 64 * 1024 * 1024;
/** Answers to host calls that a sandbox has not read: with more, its next calls wait until it has. */
const MAX_UNREAD_BYTES = 16 * 1024 * 1024;
/** A guest waits for each of its calls; a sandbox that has more of them open is not one of ours any more. */
const MAX_OPEN_CALLS = 16;
/** Resident memory beyond the guests' caps: the runtime, compiled modules, instances not collected yet. */
const BASE_BYTES = 768 * 1024 * 1024;
const MEMORY_POLL_MS = 100;
/** Asked once: it costs a look at the system each time. */
const CORES = availableParallelism();
/** Compiling and instantiating once; far more than the largest component needs on a busy machine. */
const LOAD_DEADLINE_MS = 30_000;

/** One guest execution, as its sandbox needs it. */
export interface SandboxJob {
  contentHash: string;
  request: GuestRequest;
  responseBytes: number;
  limits: ExecutionLimits;
  /** Answers the sandbox gives its guest without asking, by `interface.function`. */
  constants: Readonly<Record<string, HostReply>>;
  /** Without it, fresh state. */
  sharedInstance?: string;
  onCall(interfaceName: string, functionName: string, args: readonly WitValue[]): Promise<HostReply>;
  onOutput(stream: 'stdout' | 'stderr', bytes: Uint8Array): void;
}

export type LossReason = 'stopped' | 'memory' | 'ended';

/** The process is gone. */
export class SandboxLostError extends Error {
  override readonly name = 'SandboxLostError';
  readonly reason: LossReason;
  /** Nothing of this execution had left the process, so it may run again elsewhere. */
  readonly unheard: boolean;
  /** No other execution was in the process. */
  readonly alone: boolean;

  constructor(reason: LossReason, unheard: boolean, alone: boolean) {
    super(`the sandbox process is gone: ${reason}`);
    this.reason = reason;
    this.unheard = unheard;
    this.alone = alone;
  }
}

/** Supervisor's handle on one sandbox process. */
export interface Sandbox {
  /** Undefined until it runs. */
  readonly pid: number | undefined;
  /** Settles once: true when it can work, false when it ended before. */
  readonly ready: Promise<boolean>;
  readonly exited: Promise<void>;
  readonly alive: boolean;
  /** Loads and executions under way. */
  readonly busy: number;
  /** A second load of a hash waits for the first. Throws ARTIFACT_INVALID, GUEST_TRAPPED, GUEST_TIMEOUT, SandboxLostError. */
  load(artifact: EngineArtifact): Promise<void>;
  /** Throws SandboxLostError, or RUNNER_BUSY when too much waits for the process already. */
  run(job: SandboxJob): Promise<SandboxOutcome>;
  /** Kills at once; everything in the process rejects. */
  kill(reason: LossReason): void;
}

interface RunningJob {
  job: SandboxJob;
  startedAt: number;
  heard: boolean;
  openCalls: number;
  /** A call of it failed: the sandbox ends it. */
  failed: boolean;
  resolve: (outcome: SandboxOutcome) => void;
  reject: (err: Error) => void;
}

export function createSandbox(logger: Logger, isolation: Isolation, baseBytes = BASE_BYTES): Sandbox {
  const started = startSandboxProcess(isolation);
  const { child, channel } = started;
  const writeParts = createFrameWriter(channel);
  const write = (frame: Frame): void => writeParts(encodeFrame(frame));
  const jobs = new Map<number, RunningJob>();
  const loads = new Map<string, Promise<void>>();
  const loading = new Map<number, { resolve: () => void; reject: (err: Error) => void }>();
  const ready = Promise.withResolvers<boolean>();
  const exited = Promise.withResolvers<undefined>();
  let hasRead = Promise.withResolvers<undefined>(); // all that was written, or it is gone
  let alive = true;
  let ids = 0;

  const lose = (reason: LossReason): void => {
    if (!alive) return;
    alive = false;
    clearInterval(memoryTimer);
    ready.resolve(false);
    hasRead.resolve(undefined);
    const alone = jobs.size === 1;
    for (const { heard, reject } of jobs.values()) reject(new SandboxLostError(reason, !heard, alone));
    for (const { reject } of loading.values()) reject(new SandboxLostError(reason, true, false));
    jobs.clear();
    loading.clear();
    channel.destroy();
    started.kill();
  };

  const serve = async (running: RunningJob, message: ChildMessage & { type: 'call' }): Promise<void> => {
    while (alive && channel.writableLength > MAX_UNREAD_BYTES) await hasRead.promise;
    if (!jobs.has(message.id)) return; // it ended meanwhile
    let reply: ReplyHead;
    try {
      reply = await running.job.onCall(message.interfaceName, message.functionName, message.args);
    } catch (err) {
      // Once: what a sandbox asks after it was told to end its guest is worth no line.
      if (!running.failed) logger.error({ err }, 'host call failed');
      running.failed = true;
      reply = { failed: true };
    }
    running.openCalls -= 1;
    if (alive) write({ type: FRAME.reply, id: message.call, head: reply });
  };

  const receive = (message: ChildMessage): void => {
    if (message.type === 'ready') {
      ready.resolve(true);
      return;
    }
    if (message.type === 'loaded') {
      const load = loading.get(message.id);
      loading.delete(message.id);
      const { failure, trapped } = message;
      if (failure === undefined) load?.resolve();
      else {
        logger.warn({ stream: 'sandbox', pid: started.pid, text: failure }, 'sandbox did not load');
        const code = trapped ? 'GUEST_TRAPPED' : 'ARTIFACT_INVALID';
        load?.reject(new PlatformError(code, 'its sandbox could not load the component'));
      }
      return;
    }
    const running = jobs.get(message.id);
    if (running === undefined) return; // it ended while this was on its way
    running.heard = true;
    if (message.type === 'outcome') {
      jobs.delete(message.id);
      running.resolve(plausible(message.outcome, running));
    } else if (message.type === 'output') {
      running.job.onOutput(message.stream, message.bytes);
    } else {
      running.openCalls += 1;
      if (running.openCalls > MAX_OPEN_CALLS) throw new RangeError('too many open host calls');
      void serve(running, message);
    }
  };

  const checkMemory = async (): Promise<void> => {
    if (started.pid === undefined || jobs.size === 0) return;
    const caps = [...jobs.values()].reduce((sum, { job }) => sum + job.limits.memoryMb * MIB, 0);
    const resident = await residentMemory(started.pid);
    if (resident === undefined || resident <= baseBytes + caps) return;
    logger.warn({ pid: started.pid, resident, cap: baseBytes + caps }, 'sandbox holds too much memory');
    lose('memory');
  };
  const memoryTimer = setInterval(() => void checkMemory(), MEMORY_POLL_MS);
  memoryTimer.unref();

  const admit = createAdmission({
    isLoading: (id) => loading.has(id),
    responseBytes: (id) => jobs.get(id)?.job.responseBytes,
  });
  const read = createFrameReader(admit, MAX_VALUES);
  readPaced(channel, (chunk) => {
    try {
      read(chunk, (frame) => receive(parseChildMessage(frame)));
    } catch (err) {
      logger.error({ err, pid: started.pid }, 'sandbox broke the protocol');
      lose('ended');
    }
  });
  channel.on('drain', () => {
    hasRead.resolve(undefined);
    hasRead = Promise.withResolvers();
  });
  channel.on('error', (err) => {
    if (alive) logger.warn({ err, pid: started.pid }, 'sandbox channel failed');
    lose('ended');
  });
  channel.on('close', () => lose('ended'));
  captureOutput(child, logger);
  child.on('error', (err) => {
    logger.error({ err }, 'sandbox process did not start');
    lose('ended');
    exited.resolve(undefined);
  });
  child.on('exit', (code, signal) => {
    if (alive) logger.warn({ pid: started.pid, code, signal }, 'sandbox process ended by itself');
    lose('ended');
    exited.resolve(undefined);
  });

  return {
    get pid() {
      return started.pid;
    },
    ready: ready.promise,
    exited: exited.promise,
    get alive() {
      return alive;
    },
    get busy() {
      return jobs.size + loading.size;
    },
    load(artifact) {
      const known = loads.get(artifact.contentHash);
      if (known !== undefined) return known;
      if (!alive) return Promise.reject(new SandboxLostError('ended', true, false));
      const id = ++ids;
      const { promise, resolve, reject } = Promise.withResolvers<undefined>();
      loading.set(id, { resolve: () => resolve(undefined), reject });
      loads.set(artifact.contentHash, promise);
      const { plan, ...rest } = artifact;
      const head: LoadHead = { ...rest, ...(plan && { plan: JSON.stringify(plan) }) };
      write({ type: FRAME.load, id, head: head });
      const timer = setTimeout(() => {
        reject(new PlatformError('GUEST_TIMEOUT', 'the component did not finish to instantiate'));
        lose('stopped');
      }, LOAD_DEADLINE_MS);
      promise
        .catch(() => loads.delete(artifact.contentHash))
        .finally(() => {
          clearTimeout(timer);
        });
      return promise;
    },
    run(job) {
      if (!alive) return Promise.reject(new SandboxLostError('ended', true, false));
      if (channel.writableLength > MAX_BACKLOG_BYTES) {
        return Promise.reject(
          new PlatformError('RUNNER_BUSY', 'too much waits for the sandbox of this tenant'),
        );
      }
      const id = ++ids;
      const { contentHash, request, responseBytes, limits, constants, sharedInstance } = job;
      const head: ExecuteHead = {
        contentHash,
        request,
        responseBytes,
        limits,
        constants,
        ...(sharedInstance !== undefined && { sharedInstance }),
      };
      return new Promise((resolve, reject) => {
        jobs.set(id, {
          job,
          startedAt: performance.now(),
          heard: false,
          openCalls: 0,
          failed: false,
          resolve,
          reject,
        });
        write({ type: FRAME.execute, id, head: head as unknown as WireValue });
      });
    },
    kill: lose,
  };
}

/** A sandbox counts for itself: no more than can be. */
function plausible(outcome: SandboxOutcome, { job, startedAt }: RunningJob): SandboxOutcome {
  const cpuMs = (performance.now() - startedAt) * CORES;
  const { memoryMb, fuel, timeoutMs } = job.limits;
  return {
    ...outcome,
    memoryBytes: Math.min(outcome.memoryBytes, memoryMb * MIB),
    fuel: Math.min(outcome.fuel, fuel ?? timeoutMs * FUEL_PER_MS),
    cpuMs: Math.min(outcome.cpuMs, cpuMs),
  };
}
