import { readFileSync } from 'node:fs';
import type { LocalPlatform } from '../local-platform.ts';
import { cpuMicros, descendantsOf } from '../runner/process-figures.ts';

/** Milliseconds of a core that each part of the platform has used; Linux alone tells. */
export type ProcessorTime = Record<string, number>;

/** So far. What a process has started, and what of it has ended, counts to it; but the runner's sandboxes are apart. */
export function processorTime({ processes }: LocalPlatform): ProcessorTime {
  const used: ProcessorTime = {
    'this bench': process.cpuUsage().user / 1000 + process.cpuUsage().system / 1000,
  };
  for (const [name, pid] of Object.entries(processes)) {
    const own = cpuMicros(pid) / 1000;
    let below = endedMillis(pid);
    for (const child of descendantsOf(pid)) below += cpuMicros(child) / 1000 + endedMillis(child);
    used[name] = name === 'runner' ? own : own + below;
    if (name === 'runner') used['sandboxes'] = below;
  }
  return used;
}

/** Of children that have ended and were waited for. */
function endedMillis(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) * 10;
}
