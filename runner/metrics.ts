import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { isPlatformError } from '../core/errors.ts';
import { isRefusalCode } from '../core/execute-codes.ts';
import type { CountLookup } from './cache/count-lookup.ts';
import type { CountEgress } from './capabilities/capability.ts';
import type { CountHostCall, RunExecution } from './execution/run-execution.ts';
import { createGuestMetrics, type GuestMetrics } from './guest-metrics.ts';
import type { SandboxPool } from './sandbox/pool.ts';
import type { LossReason } from './sandbox/sandbox-lost.ts';

const EXECUTION_SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
];

const MEMORY_BYTES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024].map((mib) => mib * 1024 * 1024);

/**
 * What a runner tells operators of itself. No label names a tenant, an install or anything else that strangers could make more of, but those
 * of what guests tell, which is bounded (`guest-metrics.ts`).
 */
export interface RunnerMetrics {
  countLookup: CountLookup;
  countHostCall: CountHostCall;
  countEgress: CountEgress;
  /** What guests tell, beside what the runner does. */
  guests: GuestMetrics;
  /** The same, counted and timed. */
  measured(runExecution: RunExecution): RunExecution;
  countUnload: () => void;
  countEnd: (reason: LossReason) => void;
  watchPool(pool: Pick<SandboxPool, 'states' | 'waiting' | 'chargedBytes'>): void;
  /** In the text format of Prometheus. */
  text(): Promise<string>;
  readonly contentType: string;
}

export function createRunnerMetrics(): RunnerMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const executions = new Counter({
    name: 'alga_runner_executions_total',
    help: 'Executions by how they ended: ok, the code of the guest, or the code of a refusal.',
    labelNames: ['code'],
    registers,
  });
  const durations = new Histogram({
    name: 'alga_runner_execution_seconds',
    help: 'Wall time of executions that were not refused, loading and host calls included.',
    buckets: EXECUTION_SECONDS,
    registers,
  });
  const cpu = new Counter({
    name: 'alga_runner_guest_cpu_seconds_total',
    help: 'CPU time of guests, of the threads that they run on; of those that were lost with their sandbox it is not known.',
    registers,
  });
  const fuel = new Counter({
    name: 'alga_runner_guest_fuel_total',
    help: 'Fuel that guests used.',
    registers,
  });
  const memory = new Histogram({
    name: 'alga_runner_guest_memory_bytes',
    help: 'Memory of a guest at the end of its execution.',
    buckets: MEMORY_BYTES,
    registers,
  });
  const lookups = new Counter({
    name: 'alga_runner_cache_lookups_total',
    help: 'Artifacts and UIs that were needed, by where they were found.',
    labelNames: ['cache', 'tier'],
    registers,
  });
  const hostCalls = new Counter({
    name: 'alga_runner_host_calls_total',
    help: 'Calls of guests that left their sandbox, by function of the host world.',
    labelNames: ['function', 'result'],
    registers,
  });
  const droppedOfGuests = new Counter({
    name: 'alga_runner_guest_metrics_dropped_total',
    help: "Emissions of guests' metrics that were left out, by why.",
    labelNames: ['reason'],
    registers,
  });
  const guests = createGuestMetrics({
    now: Date.now,
    countDropped: (reason) => droppedOfGuests.inc({ reason }),
  });
  new Gauge({
    name: 'alga_runner_guest_metric_lines',
    help: "Lines of this text that guests' metrics take.",
    registers,
    collect() {
      this.set(guests.lines);
    },
  });
  const egressRequests = new Counter({
    name: 'alga_runner_egress_requests_total',
    help: 'Requests of guests to other systems: answered, or the error that the guest was told.',
    labelNames: ['outcome'],
    registers,
  });
  const egressBytes = new Counter({
    name: 'alga_runner_egress_bytes_total',
    help: 'Bytes of requests of guests to other systems, and of the bodies of their answers.',
    labelNames: ['direction'],
    registers,
  });
  const ends = new Counter({
    name: 'alga_runner_sandbox_ends_total',
    help: 'Sandbox processes that ended, by why: reclaimed (idle, or others needed its place), timeout, memory, unresponsive, crashed, protocol, closing.',
    labelNames: ['reason'],
    registers,
  });
  const unloads = new Counter({
    name: 'alga_runner_component_unloads_total',
    help: 'Components that a sandbox was told to forget because it had too many.',
    registers,
  });

  return {
    countUnload: () => unloads.inc(),
    countEnd: (reason) => ends.inc({ reason }),
    countLookup: (cache, tier, count = 1) => lookups.inc({ cache, tier }, count),
    countHostCall: (name, result) => hostCalls.inc({ function: name, result }),
    countEgress: (outcome, { sent, received }) => {
      egressRequests.inc({ outcome });
      egressBytes.inc({ direction: 'sent' }, sent);
      egressBytes.inc({ direction: 'received' }, received);
    },
    measured: (runExecution) => async (input) => {
      const started = performance.now();
      try {
        const result = await runExecution(input);
        executions.inc({ code: result.ok ? 'ok' : result.code });
        durations.observe((performance.now() - started) / 1000);
        cpu.inc(result.cpuMs / 1000);
        fuel.inc(result.fuel);
        memory.observe(result.memoryBytes);
        return result;
      } catch (err) {
        executions.inc({ code: isPlatformError(err) && isRefusalCode(err.code) ? err.code : 'INTERNAL' });
        throw err;
      }
    },
    watchPool(pool) {
      new Gauge({
        name: 'alga_runner_sandboxes',
        help: 'Sandbox processes: spare (of no tenant yet), trial (of a version that is not called yet), idle, or busy.',
        labelNames: ['state'],
        registers,
        collect() {
          for (const [state, count] of Object.entries(pool.states())) this.set({ state }, count);
        },
      });
      new Gauge({
        name: 'alga_runner_waiting',
        help: 'Executions and warm-ups that wait for a place in a sandbox.',
        registers,
        collect() {
          this.set(pool.waiting);
        },
      });
      new Gauge({
        name: 'alga_runner_memory_charged_bytes',
        help: 'What sandboxes hold and the executions in them may take, of RUNNER_MEMORY_MB.',
        registers,
        collect() {
          this.set(pool.chargedBytes);
        },
      });
    },
    guests,
    text: async () => `${await registry.metrics()}${guests.text()}`,
    contentType: registry.contentType,
  };
}
