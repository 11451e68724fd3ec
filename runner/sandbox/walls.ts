import type { ChosenIsolation } from './isolation.ts';
import { deathLauncher } from './process.ts';
import { canMeasureMemory } from './resident-memory.ts';

/** Which walls stand between a guest and the machine, in the words of the start-up line. */
export function standingWalls({ isolation, without }: ChosenIsolation): Record<string, string> {
  const isWalled = isolation === 'bubblewrap';
  return {
    webassembly: 'imports built up from nothing, memory capped by the engine',
    process: 'of one tenant for life, empty environment, frozen intrinsics, few descriptors, no file written',
    permissions: 'Node permission model: no files but its own code, no network, no children, no addons',
    namespaces: isWalled
      ? 'bubblewrap: users, processes, network, IPC, host name, cgroups, and files but for the runtime'
      : `NONE: ${without ?? ''}`,
    'system calls': isWalled ? 'those that computing needs; no capabilities, none to be gained' : 'ALL',
    memory: canMeasureMemory ? 'resident size watched' : 'resident size NOT watched on this system',
    orphans:
      isWalled || deathLauncher().length > 0
        ? 'killed with the runner'
        : 'a looping guest outlives a killed runner',
  };
}
