import { deathLauncher } from './process.ts';
import { canMeasureMemory } from './resident-memory.ts';

/** Which walls stand between a guest and the machine, in the words of the start-up line. */
export function standingWalls(): Record<string, string> {
  return {
    webassembly: 'imports built up from nothing, memory capped by the engine',
    process: 'one per tenant, empty environment, frozen intrinsics',
    permissions: 'Node permission model: no files but its own code, no network, no children, no addons',
    memory: canMeasureMemory ? 'resident size watched' : 'resident size NOT watched on this system',
    orphans:
      deathLauncher().length > 0 ? 'killed with the runner' : 'a looping guest outlives a killed runner',
    namespaces: 'none',
  };
}
