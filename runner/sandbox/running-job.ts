import { availableParallelism } from 'node:os';
import { FUEL_PER_MS } from '../engine/fuel-meter.ts';
import type { ExecuteHead } from './child.ts';
import type { SandboxOutcome } from './child-messages.ts';
import type { SandboxJob } from './job.ts';
import type { LossReason } from './sandbox-lost.ts';

const MIB = 1024 * 1024;
/** Asked once: it costs a look at the system each time. */
const CORES = availableParallelism();

/** An execution under way, as the supervisor knows it. */
export interface RunningJob {
  job: SandboxJob;
  startedAt: number;
  /** Undefined until it is known: when something was loaded since the process was last measured. */
  residentAtStart: number | undefined;
  /** Whether another execution was in the process when it began. */
  began: 'alone' | 'beside others';
  heard: boolean;
  openCalls: number;
  /** Of what those calls said. */
  openBytes: number;
  /** A call of it failed: the sandbox ends it. */
  failed: boolean;
  resolve: (outcome: SandboxOutcome) => void;
  reject: (err: Error) => void;
}

export function executeHead({
  contentHash,
  request,
  responseBytes,
  limits,
  constants,
  sharedInstance,
}: SandboxJob): ExecuteHead {
  const shared = sharedInstance === undefined ? {} : { sharedInstance };
  return { contentHash, request, responseBytes, limits, constants, ...shared };
}

/** A sandbox counts for itself: no more than can be. */
export function plausible(outcome: SandboxOutcome, { job, startedAt }: RunningJob): SandboxOutcome {
  const cpuMs = (performance.now() - startedAt) * CORES;
  const { memoryMb, fuel, timeoutMs } = job.limits;
  return {
    ...outcome,
    memoryBytes: Math.min(outcome.memoryBytes, memoryMb * MIB),
    fuel: Math.min(outcome.fuel, fuel ?? timeoutMs * FUEL_PER_MS),
    cpuMs: Math.min(outcome.cpuMs, cpuMs),
  };
}

/** Of an execution that was alone in its process: memory that was there before it began is not its doing, and within its limit it may grow. */
export function isToBlame(
  { job, residentAtStart }: RunningJob,
  why: LossReason,
  residentBytes: number,
): boolean {
  return why !== 'memory' || residentBytes - (residentAtStart ?? residentBytes) > job.limits.memoryMb * MIB;
}
