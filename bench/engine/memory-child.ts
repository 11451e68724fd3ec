import { setTimeout } from 'node:timers/promises';
import type { EngineArtifact } from '../../runner/engine/engine.ts';
import { compileLinked } from '../../runner/engine/linked-component.ts';
import type { Instance } from '../../runner/engine/component.ts';
import { createHost, requestOf } from './guests.ts';

// A process of its own for one component, so that what it takes is seen. Needs --expose-gc.

export interface MemoryOrder {
  artifact: EngineArtifact;
  instances: number;
}

/** Resident bytes that were added by each step. */
export interface MemoryTaken {
  compiled: number;
  first: number;
  further: number;
}

/** What lives in it is touched, and what does not is gone. */
async function resident(): Promise<number> {
  for (let turn = 0; turn < 3; turn += 1) {
    gc?.();
    await setTimeout(50);
  }
  return process.memoryUsage.rss();
}

async function serveOnce(instance: Instance): Promise<void> {
  const deadline = performance.now() + 60_000;
  const call = { host: createHost(), deadline, wroteToStderr: false };
  await instance.run(requestOf('/echo'), call, {
    memoryBytes: 64 * 1024 * 1024,
    fuel: Number.MAX_SAFE_INTEGER,
    deadline,
  });
  if (!instance.rewind()) throw new Error('the instance could not be rewound');
}

if (!gc) throw new Error('start it with --expose-gc');
const { artifact, instances } = await new Promise<MemoryOrder>((resolve) => process.once('message', resolve));
if (!artifact.plan) throw new Error('the artifact has no plan');
const before = await resident();
const component = await compileLinked(artifact, artifact.plan);
const afterCompiling = await resident();
const kept = [component.instantiate()];
for (const instance of kept) for (let call = 0; call < 50; call += 1) await serveOnce(instance);
const afterFirst = await resident();
for (let more = 0; more < instances; more += 1) {
  const instance = component.instantiate();
  await serveOnce(instance);
  kept.push(instance);
}
const afterAll = await resident();
process.send?.({
  compiled: afterCompiling - before,
  first: afterFirst - afterCompiling,
  further: afterAll - afterFirst,
} satisfies MemoryTaken);
process.disconnect?.();
// They are alive until here.
if (kept.length !== instances + 1) throw new Error('an instance is missing');
