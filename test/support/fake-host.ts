import { randomFillSync } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { Host } from '../../runner/engine/engine.ts';

/** A host with the real clock and randomness that serves no call, but for what `parts` says. */
export function fakeHost(parts: Partial<Host> = {}): Host {
  return {
    monotonicNow: () => performance.now(),
    wallNow: () => Date.now(),
    sleep: async (milliseconds) => setTimeout(milliseconds),
    fillRandom: (bytes) => void randomFillSync(bytes),
    output: () => undefined,
    call: (interfaceName, functionName) => {
      throw new Error(`nobody expected ${interfaceName}.${functionName}`);
    },
    ...parts,
  };
}
