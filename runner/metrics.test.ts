import { describe, expect, it } from '@jest/globals';
import { PlatformError } from '../core/errors.ts';
import type { ExecutionResult } from './execution/run-execution.ts';
import { createRunnerMetrics } from './metrics.ts';

const used = { cpuMs: 1, memoryBytes: 1, fuel: 1, egressBytes: 0 };
const fine: ExecutionResult = {
  ok: true,
  response: { status: 200, headers: {}, body: new Uint8Array() },
  ...used,
};

/** Lines that begin so. */
const linesOf = (text: string, name: string): string[] =>
  text.split('\n').filter((line) => line.startsWith(name));

describe('the metrics of a runner', () => {
  it('count executions by how they ended, and time those that were not refused', async () => {
    const metrics = createRunnerMetrics();
    const results: (() => Promise<ExecutionResult>)[] = [
      () => Promise.resolve(fine),
      () => Promise.resolve({ ok: false, code: 'GUEST_TIMEOUT', message: 'late', ...used }),
      () => Promise.reject(new PlatformError('RUNNER_BUSY', 'busy')),
      () => Promise.reject(new Error('a bug that names tenant-1')),
    ];
    for (const result of results) await Promise.allSettled([metrics.measured(result)({} as never)]);
    const text = await metrics.text();
    expect(linesOf(text, 'alga_runner_executions_total')).toEqual([
      'alga_runner_executions_total{code="ok"} 1',
      'alga_runner_executions_total{code="GUEST_TIMEOUT"} 1',
      'alga_runner_executions_total{code="RUNNER_BUSY"} 1',
      'alga_runner_executions_total{code="INTERNAL"} 1',
    ]);
    expect(linesOf(text, 'alga_runner_execution_seconds_count')).toEqual([
      'alga_runner_execution_seconds_count 2',
    ]);
    expect(linesOf(text, 'alga_runner_guest_cpu_seconds_total')).toEqual([
      'alga_runner_guest_cpu_seconds_total 0.002',
    ]);
    expect(linesOf(text, 'alga_runner_guest_fuel_total')).toEqual(['alga_runner_guest_fuel_total 2']);
    expect(linesOf(text, 'alga_runner_guest_memory_bytes_count')).toEqual([
      'alga_runner_guest_memory_bytes_count 2',
    ]);
    expect(text).not.toContain('tenant-1');
  });

  it('count lookups by tier and host calls by function, and tell sandboxes as they are now', async () => {
    const metrics = createRunnerMetrics();
    let busy = 1;
    metrics.watchPool({ states: () => ({ spare: 2, trial: 1, idle: 3, busy }), waiting: 4, chargedBytes: 5 });
    metrics.countUnload();
    metrics.countEnd('reclaimed');
    metrics.countLookup('artifact', 'disk');
    metrics.countLookup('ui', 'store');
    metrics.countHostCall('alga:extension/storage.get', 'answered');
    metrics.countHostCall('', 'failed');
    const text = await metrics.text();
    expect(linesOf(text, 'alga_runner_cache_lookups_total')).toEqual([
      'alga_runner_cache_lookups_total{cache="artifact",tier="disk"} 1',
      'alga_runner_cache_lookups_total{cache="ui",tier="store"} 1',
    ]);
    expect(linesOf(text, 'alga_runner_host_calls_total')).toEqual([
      'alga_runner_host_calls_total{function="alga:extension/storage.get",result="answered"} 1',
      'alga_runner_host_calls_total{function="",result="failed"} 1',
    ]);
    busy = 0;
    expect(linesOf(await metrics.text(), 'alga_runner_sandboxes')).toEqual([
      'alga_runner_sandboxes{state="spare"} 2',
      'alga_runner_sandboxes{state="trial"} 1',
      'alga_runner_sandboxes{state="idle"} 3',
      'alga_runner_sandboxes{state="busy"} 0',
    ]);
    for (const line of [
      'alga_runner_waiting 4',
      'alga_runner_memory_charged_bytes 5',
      'alga_runner_component_unloads_total 1',
      'alga_runner_sandbox_ends_total{reason="reclaimed"} 1',
    ])
      expect(text.split('\n')).toContain(line);
  });

  it('tell of the process too', async () => {
    const text = await createRunnerMetrics().text();
    for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes', 'nodejs_eventloop_lag'])
      expect(linesOf(text, name)).not.toEqual([]);
  });
});
